"""Lab 04 in the browser: run all, then the number explorer and the memory calculator from the keyboard."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import cut_off, errors, open_notebook, run_all


def test_lab_04_bits_and_calculator_answer_to_the_keyboard(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "04_quantization_memory.ipynb")
    run_all(page)
    assert errors(page) == 0

    field = page.locator(".widget-text", has_text="a number").locator("input").first
    field.scroll_into_view_if_needed()
    bits = page.locator(".widget-html-content", has_text="mantissa").first
    field.fill("70000")
    field.press("Enter")
    expect(bits.locator("tr", has_text="fp16")).to_contain_text("inf")
    expect(bits.locator("tr", has_text="bf16")).to_contain_text("70144")
    page.screenshot(path=pictures / "04_bits.png")

    task = page.locator(".widget-dropdown", has_text="task").locator("select").first
    task.scroll_into_view_if_needed()
    answer = page.locator(".widget-html-content", has_text="at the peak").first
    before = answer.inner_text()
    page.screenshot(path=pictures / "04_calculator_before.png")
    task.select_option(label="train all weights")
    expect(answer).to_contain_text("train all weights")
    assert answer.inner_text() != before
    chosen = answer.inner_text()
    batch = page.locator(".widget-text", has_text="batch").locator("input").first
    batch.focus()
    page.keyboard.press("ArrowUp")  # one sequence more
    page.keyboard.press("Enter")
    expect(answer).not_to_have_text(chosen)
    page.screenshot(path=pictures / "04_calculator_after.png")

    page.set_viewport_size({"width": 900, "height": 900})
    task.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "04_narrow.png")
    assert cut_off(page, ".widget-dropdown, .widget-label, .jp-RenderedMarkdown") == []
