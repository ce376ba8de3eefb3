"""Lab 01 in JupyterLab: run all, drive the head explorer by keyboard, nothing cut off in a narrow window."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import cut_off, errors, last_output, open_notebook, run_all, run_code

WRONG = """def attend(q, k, v):
    return (q @ k.transpose(-2, -1)).softmax(dim=-1) @ v
attend = check("1.4", attend)"""


def test_lab_01_the_head_explorer_answers_to_the_keyboard(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "01_tokenization_attention.ipynb")
    run_all(page)
    assert errors(page) == 0

    slider = page.locator(".widget-slider", has_text="head").locator(".noUi-handle, [role=slider]").first
    slider.scroll_into_view_if_needed()
    view = page.locator(".jp-OutputArea", has=slider).last
    expect(view).to_contain_text("Layer 16, head 0")
    page.screenshot(path=pictures / "01_explorer_before.png")
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(view).to_contain_text("Layer 16, head 2")
    page.screenshot(path=pictures / "01_explorer_after.png")

    page.set_viewport_size({"width": 900, "height": 900})
    slider.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "01_narrow.png")
    assert cut_off(page, ".widget-slider, .widget-label, .jp-RenderedMarkdown") == []
    page.set_viewport_size({"width": 1400, "height": 1000})

    run_code(page, WRONG)
    expect(last_output(page)).to_contain_text("no scaling")
    page.screenshot(path=pictures / "01_wrong.png")
    run_code(page, WRONG.replace("(q @ k.transpose(-2, -1))", "(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]))"))
    expect(last_output(page)).to_contain_text("passed")
