"""Lab 05 in JupyterLab: run all, a wrong and a right answer, a quiz by keyboard, Interrupt in the middle of a training."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import command, cut_off, errors, last_output, open_notebook, run_all, run_code, wait_until_idle

WRONG = """def lora_forward(x, weight, a, b, alpha):
    return x @ weight.T + x @ a.T @ b.T
lora_forward = check("5.5", lora_forward)"""
RIGHT = WRONG.replace("+ x @", "+ alpha / a.shape[0] * x @")
TRAIN = """go_on = lambda: tuning.run_arm(tuning.Arm("lora", tuning.Recipe(1e-3, batch=2), few * 40, checkpoint=folder / "x.checkpoint"))
found = go_on()"""


def test_lab_05_answers_quiz_and_an_interrupt_that_loses_nothing(page, jupyterlab, pictures):
    open_notebook(page, jupyterlab, "05_full_and_lora_fine_tuning.ipynb")
    page.screenshot(path=pictures / "05_top.png")
    run_all(page)
    assert errors(page) == 0

    for name, text in (("race", "trained numbers"), ("memory", "Tensor bytes by term"), ("scores", "best without training")):
        page.locator(".jp-OutputArea", has_text=text).first.scroll_into_view_if_needed()
        page.screenshot(path=pictures / f"05_{name}.png")

    question = page.locator(".jp-OutputArea", has_text="Quiz 5.b.").last
    question.scroll_into_view_if_needed()
    question.locator(".widget-radio-box label", has_text="the factor alpha / r is halved").locator("input").check()
    expect(question).to_contain_text("Right.")

    page.set_viewport_size({"width": 900, "height": 900})
    page.screenshot(path=pictures / "05_narrow.png")
    assert cut_off(page, ".widget-label, .jp-RenderedMarkdown") == []
    page.set_viewport_size({"width": 1400, "height": 1000})

    run_code(page, WRONG)
    expect(last_output(page)).to_contain_text("alpha / r")
    page.screenshot(path=pictures / "05_wrong.png")
    run_code(page, RIGHT)
    expect(last_output(page)).to_contain_text("passed")

    # A training that would take long, interrupted: one sentence, no traceback, and a checkpoint to go on from.
    page.locator(".jp-Notebook-footer").click()
    page.locator(".jp-CodeCell .cm-content").last.click()
    page.keyboard.insert_text(TRAIN)
    page.keyboard.press("Shift+Enter")
    bar = page.locator(".jp-OutputArea", has_text="tokens/s").last
    expect(bar).to_contain_text("step", timeout=120_000)
    page.wait_for_timeout(4000)
    page.screenshot(path=pictures / "05_bar.png")
    command(page, "Kernel", r"^Interrupt Kernel")
    wait_until_idle(page)
    said = page.locator(".jp-OutputArea", has_text="Interrupted after step").last
    expect(said).to_contain_text("run it again to go on from there")
    expect(said).not_to_contain_text("Traceback")
    said.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "05_interrupted.png")
    run_code(page, 'print((folder / "x.checkpoint").exists())')
    expect(last_output(page)).to_contain_text("True")
