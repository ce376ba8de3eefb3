"""A learner's hour, in short: open, run all, move a slider, answer wrongly, take a hint, answer rightly, restart."""

from __future__ import annotations

import json

from playwright.sync_api import expect
from steps import command, cut_off, errors, last_output, open_notebook, run_all, run_code, wait_until_idle

WRONG = """def softmax(logits, temperature=1.0):
    e = (logits * temperature - (logits * temperature).max()).exp()
    return e / e.sum()
softmax = check("2.1", softmax)"""
RIGHT = WRONG.replace("*", "/")


def test_lab_00_runs_from_top_to_bottom(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "00_start_here.ipynb")
    page.screenshot(path=pictures / "00_top.png")
    run_all(page)
    assert errors(page) == 0
    quiz = page.locator(".widget-radio-box").last  # the first one takes a prediction
    quiz.scroll_into_view_if_needed()
    expect(quiz).to_be_visible()
    quiz.locator("label", has_text="Change the prompt").locator("input").check()
    expect(page.locator(".jp-OutputArea", has=quiz).last).to_contain_text("Right.")
    page.screenshot(path=pictures / "00_quiz.png")


def test_lab_02_slider_check_hint_and_progress(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "02_generation_configuration.ipynb")
    run_all(page)
    assert errors(page) == 0

    slider = page.locator(".widget-slider", has_text="4 top-k").locator(".noUi-handle, [role=slider]").first
    slider.scroll_into_view_if_needed()
    table = page.locator(".widget-html-content", has_text="bits of uncertainty").first
    before = table.inner_text()
    page.screenshot(path=pictures / "02_microscope_before.png")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(table).to_contain_text("3 of 49,152 tokens survive")
    assert table.inner_text() != before
    page.screenshot(path=pictures / "02_microscope_after.png")
    page.locator(".widget-textarea", has_text="the text so far").locator("textarea").fill("The capital of France is")
    expect(table).to_contain_text("␣Paris")
    expect(table).to_contain_text("others")
    page.screenshot(path=pictures / "02_microscope_own_text.png")

    page.set_viewport_size({"width": 900, "height": 900})
    slider.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "02_narrow.png")
    assert cut_off(page, ".widget-slider, .widget-label, .jp-RenderedMarkdown") == []
    page.set_viewport_size({"width": 1400, "height": 1000})

    run_code(page, WRONG)
    expect(last_output(page)).to_contain_text("multiplied by the temperature")
    expect(last_output(page)).to_contain_text('hint("2.1")')
    page.screenshot(path=pictures / "02_wrong.png")
    run_code(page, 'hint("2.1")')
    expect(last_output(page)).to_contain_text("Hint 1 of 3")
    run_code(page, RIGHT)
    expect(last_output(page)).to_contain_text("passed")
    page.screenshot(path=pictures / "02_right.png")

    command(page, "Kernel", r"^Restart Kernel")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.wait_for_timeout(2000)
    wait_until_idle(page)
    run_code(page, 'from labutils import progress\nprogress("02")')
    row = last_output(page).locator("tr", has_text="Softmax with a temperature")
    expect(row).to_contain_text("passed")
    page.screenshot(path=pictures / "02_progress.png")
    kept = json.loads((jupyterlab.home / "progress.json").read_text())["exercises"]["2.1"]
    assert (kept["passed"], kept["tries"], kept["hints"], sum(kept["wrong"].values())) == (True, 2, 1, 1)


def test_lab_06_the_explorer_follows_what_is_typed(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "06_rouge_bleu_evaluation.ipynb")
    run_all(page)
    assert errors(page) == 0
    field = page.locator(".widget-textarea textarea").first
    field.scroll_into_view_if_needed()
    view = page.locator(".jp-OutputArea", has=field).last
    before = view.inner_text()
    field.fill("Friday Friday Monday")
    expect(view).to_contain_text("/3")
    assert view.inner_text() != before
    view.get_by_text("dotted line", exact=True).last.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "06_explorer.png")
