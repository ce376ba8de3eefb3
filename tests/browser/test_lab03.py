"""Lab 03 in the browser: it runs, and the composer follows the keyboard."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from steps import cut_off, errors, open_notebook, run_all


def test_lab_03_the_composer_follows_the_keyboard(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "03_in_context_learning.ipynb")
    page.screenshot(path=pictures / "03_top.png")
    run_all(page)
    assert errors(page) == 0

    boxes = page.locator(".widget-checkbox input[type=checkbox]")
    first = boxes.first
    first.scroll_into_view_if_needed()
    view = page.locator(".widget-html-content", has_text=re.compile(r"shots?; \d+ \+ \d+ of")).first
    expect(view).to_contain_text("2 shots")
    page.screenshot(path=pictures / "03_composer_before.png")

    third = boxes.nth(2)
    third.focus()
    page.keyboard.press("Space")
    expect(view).to_contain_text("3 shots")
    expect(view).to_contain_text("not scored yet")

    last = boxes.last  # the candidate from the test set
    last.focus()
    page.keyboard.press("Space")
    expect(view).to_contain_text("leaked from the test set")
    expect(view).to_contain_text("Alarm.")

    order = page.locator(".widget-dropdown", has_text="order").locator("select")
    before = view.inner_text()
    order.select_option(index=1)
    expect(view).not_to_have_text(before)

    room = page.locator(".widget-dropdown", has_text="window").locator("select")
    room.select_option(label="128")
    expect(view).to_contain_text("too many")
    room.select_option(label="1024")
    expect(view).not_to_contain_text("too many")

    button = page.get_by_role("button", name="Score")
    button.focus()
    page.keyboard.press("Enter")
    expect(view).to_contain_text("of 8 right", timeout=60_000)
    page.screenshot(path=pictures / "03_composer_after.png")

    page.set_viewport_size({"width": 900, "height": 900})
    first.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "03_narrow.png")
    assert cut_off(page, ".widget-checkbox, .widget-dropdown, .widget-label, .jp-RenderedMarkdown") == []
