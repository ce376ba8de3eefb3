"""What a learner does in JupyterLab, as steps of a browser test."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def open_notebook(page: Page, lab, name: str) -> None:
    page.goto(f"{lab.address}/lab/tree/labs/{name}?token=browser-test&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    expect(page.locator(".jp-NotebookPanel-toolbar")).to_contain_text("LLM Labs")
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')


def command(page: Page, menu: str, item: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu-item", has_text=re.compile(item)).first.click()


def wait_until_idle(page: Page) -> None:
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator').dataset.status === 'idle'"
        " && ![...document.querySelectorAll('.jp-InputPrompt')].some(p => p.textContent.includes('*'))",
        timeout=420_000,
    )


def run_all(page: Page) -> None:
    """Run all cells of a notebook that was not run yet, to the last one."""
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts.first).to_have_text(re.compile(r"^\[ ?\]:?$"))
    command(page, "Run", r"^Run All Cells$")
    expect(prompts.first).to_have_text(re.compile(r"^\[1\]:?$"))
    wait_until_idle(page)
    expect(prompts.last).to_have_text(re.compile(r"^\[\d+\]:?$"))


def run_code(page: Page, code: str) -> None:
    """Type code into a new cell at the end of the notebook and run it."""
    page.locator(".jp-Notebook .jp-Cell").last.scroll_into_view_if_needed()
    page.locator(".jp-Notebook-footer").click()
    editor = page.locator(".jp-CodeCell .cm-content").last
    editor.click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    page.wait_for_timeout(700)
    wait_until_idle(page)


def last_output(page: Page):
    return page.locator(".jp-CodeCell", has=page.locator(".jp-OutputArea-output")).last.locator(".jp-OutputArea")


def errors(page: Page) -> int:
    return page.locator(
        '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"], .jp-RenderedText[data-mime-type="application/vnd.jupyter.error"]'
    ).count()


def cut_off(page: Page, boxes: str) -> list[str]:
    """The beginnings of those boxes whose content is wider than they are."""
    script = (
        "boxes => boxes.filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 2).map(e => e.textContent.slice(0, 60))"
    )
    return page.locator(boxes).evaluate_all(script)
