from pathlib import Path

import pytest

from .pages import blocks, plain_commands, run

PAGE = """\
```bash
echo "one   two 3 s"
```
```text
one two ... s
```

<!-- exit status 3 -->
```bash
exit 3
```

```python
a = 1
```

<!-- not run: it would fail -->
```python
raise SystemExit
```

```python
assert a == 1
print("a is", a)
```

```text
a is 1
```
"""


def page_of(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text)
    return page


def test_blocks_run_in_order(tmp_path: Path) -> None:
    page = page_of(tmp_path, PAGE)
    assert [block.kind for block in blocks(page)] == ["bash", "bash", "python", "python", "python"]
    assert run(page, tmp_path) == 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("exit 3", "exit 0"),
        ("one two", "two one"),
        ("a == 1", "a == 2"),
        ("echo", "false #"),
        ("a is 1", "a is 2"),
    ],
)
def test_what_a_page_says_wrongly_fails(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(AssertionError):
        run(page_of(tmp_path, PAGE.replace(old, new)), tmp_path)


@pytest.mark.parametrize("text", ["```bash\necho\n", "```sh\necho\n```\n"])
def test_blocks_that_would_be_missed_fail(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssertionError):
        blocks(page_of(tmp_path, "# Page\n\n" + text))


def test_commands_that_need_no_shell() -> None:
    text = 'homing init shop   # a folder\n\nhoming plan --at "2026 01" \\\n    -w shop\n'
    assert plain_commands(text) == [["init", "shop"], ["plan", "--at", "2026 01", "-w", "shop"]]


@pytest.mark.parametrize(
    "text", ["homing plan > plan.txt", "homing plan; ls", "ls", "cat <<END\nhoming x\nEND"]
)
def test_commands_that_need_a_shell(text: str) -> None:
    assert plain_commands("homing init shop\n" + text) is None


def test_commands_run_here_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = "```bash\nhoming init shop\nhoming config explain exploration -w shop\n```\n"
    bad = "<!-- exit status 2 -->\n```bash\nhoming doctor -w nowhere\nhoming init never\n```\n"
    assert run(page_of(tmp_path, good + bad), tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.md", "shop"]
