"""The course's models, and any other that LABS_MODEL names, load and run."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labutils.course.loading import LLAMA_BLOCKS, LLAMA_HEAD, load_encoder, load_model
from labutils.errors import AssetError, NotEnoughMemory
from labutils.machine import limits

WORDS = ["<unk>", "<pad>", "</s>", "<s>", "the", "cat", "sat", "on", "mat", "and", "dog", "ran"]


def save_tokenizer(folder: Path, **special: str) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", **special).save_pretrained(folder)


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with a tiny random Llama, and the model that was saved there."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("decoder")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "max_position_embeddings": 64}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = LlamaConfig(vocab_size=len(WORDS), **sizes, **heads, bos_token_id=3, eos_token_id=2)
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    save_tokenizer(folder, bos_token="<s>")
    return folder, model


@pytest.fixture(scope="session")
def encoder_decoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with a tiny random T5, and the model that was saved there."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("encoder-decoder")
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    ids = {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(WORDS), **sizes, **ids)).eval()
    model.save_pretrained(folder)
    save_tokenizer(folder, pad_token="<pad>")
    return folder, model


def greedy(model: Any, tokenizer: Any) -> list[int]:
    asked = tokenizer("the cat sat on the", return_tensors="pt", return_token_type_ids=False).to(model.device)
    return model.generate(**asked, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=1)[0].tolist()


def assert_same_weights(model: Any, saved: Any) -> None:
    import torch

    ours, theirs = model.state_dict(), saved.state_dict()
    assert ours.keys() == theirs.keys() and ours
    for name, weight in theirs.items():
        assert torch.equal(ours[name].cpu(), weight), name


def test_labs_model_takes_a_folder_with_a_decoder(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    folder, saved = decoder
    monkeypatch.setenv("LABS_MODEL", str(folder))
    model, tokenizer = load_model()
    assert_same_weights(model, saved)
    assert not model.config.is_encoder_decoder and not model.training and model.dtype == torch.float32
    written = greedy(model, tokenizer)
    assert len(written) == 5 + 4
    assert written == greedy(saved.to(model.device), tokenizer)


def test_labs_model_takes_a_folder_with_an_encoder_decoder(encoder_decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    folder, saved = encoder_decoder
    monkeypatch.setenv("LABS_MODEL", str(folder))
    model, tokenizer = load_model()
    assert_same_weights(model, saved)
    assert model.config.is_encoder_decoder and not model.training and model.dtype == torch.float32
    written = greedy(model, tokenizer)
    assert len(written) == 1 + 4  # the start token, then the new ones: the prompt went into the encoder
    assert written == greedy(saved.to(model.device), tokenizer)


def test_prompts_are_padded_where_the_model_needs_it(decoder, encoder_decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first_is_real = {}
    for name, (folder, _) in {"decoder": decoder, "encoder-decoder": encoder_decoder}.items():
        monkeypatch.setenv("LABS_MODEL", str(folder))
        _, tokenizer = load_model()
        short = tokenizer(["the cat sat on", "dog"], padding=True)["attention_mask"][1]
        assert sorted(short) == [0, 0, 0, 1]  # it pads, although the decoder's tokenizer was saved without a pad token
        first_is_real[name] = bool(short[0])
    assert first_is_real == {"decoder": False, "encoder-decoder": True}


def test_another_dtype_on_request(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("LABS_MODEL", str(decoder[0]))
    model, _ = load_model(torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_a_folder_may_be_named_from_the_users_folder(decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(decoder[0], tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LABS_MODEL", "~/mine")
    model, _ = load_model()
    assert_same_weights(model, decoder[1])


@pytest.mark.parametrize("name", ["/no/such/folder", "./no-such-folder", "~/no-such-folder", "no/such/folder"])
def test_an_unknown_folder_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setenv("LABS_MODEL", name)
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, f"LABS_MODEL={name}", "no such folder")


def test_a_folder_without_a_config_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setenv("LABS_MODEL", str(tmp_path))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, tmp_path, "config.json")


def test_a_hub_id_without_a_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setenv("LABS_MODEL", "llm-labs-tests/no-such-model")
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, "LABS_MODEL=llm-labs-tests/no-such-model", "hub", "unset LABS_MODEL")


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def config_of_no_model(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


@pytest.mark.parametrize(
    "damage", [no_tokenizer, no_weights, truncated_weights, broken_config, config_of_no_model, broken_tokenizer]
)
def test_a_damaged_folder_is_one_sentence(decoder, tmp_path: Path, damage: Callable[[Path], None], monkeypatch, says) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(decoder[0], folder)
    damage(folder)
    monkeypatch.setenv("LABS_MODEL", str(folder))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, f"LABS_MODEL={folder}", "unset LABS_MODEL")


@pytest.mark.fault("one flipped bit in a file of a model of one's own")
@pytest.mark.parametrize(
    "file", ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json", "model.safetensors"]
)
def test_one_flipped_bit_is_a_sentence_or_a_model_that_runs(decoder, tmp_path: Path, file: str, monkeypatch, says) -> None:
    """Whatever the bit makes of the file, nothing raw comes of it, and the file is left as it was."""
    folder = tmp_path / "mine"
    shutil.copytree(decoder[0], folder)
    monkeypatch.setenv("LABS_MODEL", str(folder))
    whole = (folder / file).read_bytes()
    for n in range(20):
        flipped = bytearray(whole)
        flipped[n * min(len(whole), 2_000) // 20] ^= 1 << n % 8  # of the weights, their header
        (folder / file).write_bytes(flipped)
        try:
            load_model()
        except AssetError as error:
            says(error, f"LABS_MODEL={folder}", "unset LABS_MODEL")
        assert (folder / file).read_bytes() == flipped


def changed_config(**settings: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **settings}))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed_config(num_hidden_layers=3), ["lack", "model.layers.2."]),
        (changed_config(num_hidden_layers=1), ["have more than", "model.layers.1."]),
        (changed_config(tie_word_embeddings=False, vocab_size=len(WORDS), hidden_size=32), ["weights cannot be loaded"]),
    ],
    ids=["a block too few", "a block too many", "another width"],
)
def test_weights_that_are_not_those_of_the_config_are_one_sentence(
    decoder, tmp_path: Path, change, words, monkeypatch, says
) -> None:
    """transformers makes up what is missing, and leaves out what is too much, without a word."""
    shutil.copytree(decoder[0], tmp_path / "mine")
    change(tmp_path / "mine")
    monkeypatch.setenv("LABS_MODEL", str(tmp_path / "mine"))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, f"LABS_MODEL={tmp_path / 'mine'}", "unset LABS_MODEL", *words)


class Command:
    """What runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("harmless", [True, False])
def test_a_pickle_is_never_opened(decoder, tmp_path: Path, harmless: bool, monkeypatch, says) -> None:
    import torch

    folder = tmp_path / "mine"
    shutil.copytree(decoder[0], folder)
    no_weights(folder)
    if harmless:
        torch.save(decoder[1].state_dict(), folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Command(tmp_path / "ran")))
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: pytest.fail("it must not be opened"))
    monkeypatch.setenv("LABS_MODEL", str(folder))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, f"LABS_MODEL={folder}", "pickle", "pytorch_model.bin", "save_pretrained")
    assert not (tmp_path / "ran").exists() and "weights_only" not in str(caught.value)


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_an_encoder_is_no_decoder(kind: str, tmp_path: Path, monkeypatch, says) -> None:
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    getattr(transformers, kind)(transformers.BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(tmp_path / "mine")
    save_tokenizer(tmp_path / "mine")
    monkeypatch.setenv("LABS_MODEL", str(tmp_path / "mine"))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, "bert is an encoder", "unset LABS_MODEL")


@pytest.mark.parametrize("load", [load_model, load_encoder])
def test_a_model_that_was_not_fetched_is_one_sentence(load: Callable[[], Any], says) -> None:
    with pytest.raises(AssetError) as caught:
        load()
    says(caught.value, "not on this machine", "labs fetch")


def test_weights_that_do_not_fit_are_refused(ready_home: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setattr(limits, "memory_available", lambda: 3 * 2**27)
    with pytest.raises(NotEnoughMemory) as caught:
        load_model()
    says(caught.value, "0.4 of")


@pytest.mark.slow
def test_the_default_model_is_float32_in_eval_mode_with_all_its_parameters(default_model) -> None:
    import torch

    model, tokenizer = default_model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not any(module.training for module in model.modules())
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    assert model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    assert len(tokenizer) <= model.get_input_embeddings().num_embeddings == 49_152


@pytest.mark.slow
def test_the_default_model_knows_the_capital_of_france(default_model) -> None:
    import torch

    model, tokenizer = default_model
    with torch.no_grad():
        logits = model(**tokenizer("The capital of France is", return_tensors="pt").to(model.device)).logits[0, -1]
    assert tokenizer.decode(logits.argmax()) == " Paris"


@pytest.mark.slow
def test_a_padded_batch_of_the_default_model_gives_what_each_prompt_gives_alone(default_model) -> None:
    import torch

    model, tokenizer = default_model
    prompts = ["The cat", "Once upon a time there was a small"]
    batch = tokenizer(prompts, padding=True, return_tensors="pt").to(model.device)
    positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        together = model(**batch, position_ids=positions).logits[:, -1]
        alone = [model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1] for prompt in prompts]
    torch.testing.assert_close(together, torch.stack(alone), atol=2e-3, rtol=1e-3)


@pytest.mark.slow
def test_the_encoder_gives_384_numbers_that_tell_meanings_apart(ready_home: Path) -> None:
    import torch

    model, tokenizer = load_encoder()
    assert not model.training
    sentences = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The central bank raised interest rates."]
    batch = tokenizer(sentences, padding=True, return_tensors="pt").to(model.device)
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    assert states.shape[::2] == (3, 384)
    mask = batch["attention_mask"].unsqueeze(-1)
    cat, kitten, bank = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    assert (cat @ kitten).item() > 0.5 > 0.2 > (cat @ bank).item()


def test_an_adapter_alone_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    monkeypatch.setenv("LABS_MODEL", str(tmp_path))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, tmp_path, "adapter without its base model", "merge_and_unload")


def test_a_folder_without_a_tokenizer_says_so(decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    shutil.copytree(decoder[0], tmp_path / "mine")
    no_tokenizer(tmp_path / "mine")
    monkeypatch.setenv("LABS_MODEL", str(tmp_path / "mine"))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, "no tokenizer", "save_pretrained")


def test_a_model_that_brings_code_is_not_run(decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(decoder[0], folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    monkeypatch.setenv("LABS_MODEL", str(folder))
    monkeypatch.setattr("builtins.input", lambda *prompt: pytest.fail("it must not ask"))
    with pytest.raises(AssetError) as caught:
        load_model()
    says(caught.value, "code of its own")
    assert not (tmp_path / "ran").exists()


def damaged_home(home: Path, name: str, file: str, change: Callable[[bytes], bytes]) -> Path:
    """A home with a copy of a course model in which a file is damaged behind an unchanged size and date; the file."""
    models = (home / "models").resolve()
    (home / "models").unlink()
    (home / "models").mkdir()
    shutil.copytree(models / name, home / "models" / name)
    path = home / "models" / name / file
    stat = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    return path


@pytest.mark.fault("a file of the course's model is damaged, at an unchanged date")
@pytest.mark.parametrize("file", ["tokenizer.json", "config.json"])
@pytest.mark.parametrize(("name", "load"), [("SmolLM2-135M-Instruct", load_model), ("all-MiniLM-L6-v2", load_encoder)])
def test_damage_behind_an_old_date_is_one_sentence_with_the_fix(ready_home: Path, name: str, load, file: str, says) -> None:
    damaged_home(ready_home, name, file, lambda data: b"{" * len(data))
    with pytest.raises(AssetError) as caught:
        load()
    says(caught.value, name, "cannot be read", "labs fetch --deep")


@pytest.mark.fault("the disk is full while a model loads")
def test_a_full_disk_is_not_taken_for_a_damaged_model(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a damaged model: whatever watches the memory may write, and may find the disk full."""

    @contextmanager
    def guard(*arguments: object) -> Iterator[None]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    monkeypatch.setattr("labutils.course.loading.guard", guard)
    monkeypatch.setenv("LABS_MODEL", str(decoder[0]))
    with pytest.raises(OSError, match="No space left"):
        load_model()


def test_too_little_memory_for_a_file_is_not_taken_for_damage(decoder, monkeypatch: pytest.MonkeyPatch, says) -> None:
    import transformers

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", refuse)
    monkeypatch.setenv("LABS_MODEL", str(decoder[0]))
    with pytest.raises(NotEnoughMemory) as caught:
        load_model()
    says(caught.value, "memory", "other kernels")


def test_python_without_docstrings_is_one_sentence(says) -> None:
    code = "from labutils.course.loading import load_model\ntry: load_model()\nexcept Exception as error: print(error)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True)
    says(done.stdout, "PYTHONOPTIMIZE")


def test_a_lab_that_needs_a_decoder_refuses_an_encoder_decoder(encoder_decoder, monkeypatch, says) -> None:
    monkeypatch.setenv("LABS_MODEL", str(encoder_decoder[0]))
    with pytest.raises(AssetError) as caught:
        load_model(needs="decoder")
    says(caught.value, "needs a decoder", "encoder-decoder", "unset LABS_MODEL")


def test_the_lab_that_takes_a_llama_apart_refuses_another_one(decoder, monkeypatch, says) -> None:
    monkeypatch.setenv("LABS_MODEL", str(decoder[0]))
    load_model(needs="decoder")
    with pytest.raises(AssetError) as caught:
        load_model(needs="llama")
    says(caught.value, "30 blocks", "unset LABS_MODEL")


def save_config(folder: Path, config: Any) -> Path:
    config.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def test_a_lab_that_works_on_a_llama_s_layers_takes_the_models_that_have_them(decoder, tmp_path: Path, monkeypatch, says) -> None:
    from transformers import BartConfig, GPT2Config, MambaConfig, OPTConfig

    monkeypatch.setenv("LABS_MODEL", str(decoder[0]))
    load_model(needs="blocks")
    small = {"vocab_size": len(WORDS), "num_hidden_layers": 2}
    for name, config in {
        "gpt2": GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=2, n_head=2),
        "opt": OPTConfig(hidden_size=16, ffn_dim=32, num_attention_heads=2, word_embed_proj_dim=16, **small),
        "mamba": MambaConfig(hidden_size=16, state_size=4, **small),
        "bart": BartConfig(vocab_size=len(WORDS), d_model=16, encoder_layers=1, decoder_layers=1),
    }.items():
        for needs in ("blocks", "llama"):
            monkeypatch.setenv("LABS_MODEL", str(save_config(tmp_path / name, config)))
            with pytest.raises(AssetError) as caught:
                load_model(needs=needs)
            says(caught.value, "LABS_MODEL=", "this lab", "encoder-decoder" if name == "bart" else name, "unset LABS_MODEL")


@pytest.mark.slow
def test_the_course_model_has_what_the_lab_that_takes_it_apart_needs(default_model) -> None:
    config = default_model[0].config
    assert (config.model_type, config.num_hidden_layers, config.head_dim) == ("llama", LLAMA_BLOCKS, LLAMA_HEAD)
