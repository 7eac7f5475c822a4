from pathlib import Path

import pytest

from .pages import blocks, run

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
