"""What the Hub refuses, said in words that a person can act on."""

REVIEWS = "text,label\n" + "".join(f"avaliação número {n},{'bom' if n % 2 else 'ruim'}\n" for n in range(20))
WORDS = ["dataset=csv", "dataset.path=reviews.csv", "model=custom", "model.name_or_path=org/gated"]


def test_a_gated_model_without_a_token_says_how_to_get_in(forks, tmp_path):
    (tmp_path / "reviews.csv").write_text(REVIEWS, encoding="utf-8")
    said = "Access to model org/gated is restricted."
    # The Hub's answer to a stranger.
    with forks.hub.faults(
        "/org/gated", status=401, headers={"X-Error-Code": "GatedRepo"}, message=said
    ) as hit:
        done = forks(*WORDS, cwd=tmp_path, HF_TOKEN="")
    assert hit.hits
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for part in ("org/gated", "hf auth login"):
        assert part in done.stderr
