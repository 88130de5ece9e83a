"""Labels from tables and subfolders, and the domains that follow from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpaired.data.attributes import discover_labelled_data
from unpaired.data.label_table import read_known_labels, read_table
from unpaired.data.labelled_splits import attach_labels, iterate_domain_splits, write_labels
from unpaired.data.split import split_files
from unpaired.errors import UsageError, WorkError
from unpaired.labels import LabelGroup, Labels, create_domain_labels


def write_pictures(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    return folder


def write_people(root: Path, table: str = "file,black,blond,glasses\na.png,1,0,1\nb.png,0,1,0\nc.png,0,1,1\n") -> Path:
    (root / "people.csv").parent.mkdir(parents=True, exist_ok=True)
    (root / "people.csv").write_text(table)
    return write_pictures(root / "people", "a.png", "b.png", "c.png")


def test_labels_list_domains_with_their_columns_and_values() -> None:
    labels = Labels(
        groups=(LabelGroup(values=("black", "blond")), LabelGroup(values=("glasses",))), dataset_groups=((0, 1),)
    )
    assert labels.size == 3 and labels.group_slices == (slice(0, 2), slice(2, 3))
    assert labels.domains == ("black", "blond", "glasses", "no-glasses")
    assert [domain_label.values for domain_label in labels.domain_labels] == [(1.0, 0.0), (0.0, 1.0), (1.0,), (0.0,)]
    assert [domain_label.columns for domain_label in labels.domain_labels] == [
        slice(0, 2),
        slice(0, 2),
        slice(2, 3),
        slice(2, 3),
    ]


def test_domain_folders_form_one_exclusive_group() -> None:
    labels = create_domain_labels(("a", "b", "c"))
    assert labels.domains == ("a", "b", "c") and labels.label_mask(0) == (1.0, 1.0, 1.0)


def test_label_mask_covers_only_the_groups_of_a_data_set() -> None:
    labels = Labels(groups=(LabelGroup(values=("a", "b")), LabelGroup(values=("c",))), dataset_groups=((0,), (1,)))
    assert labels.label_mask(0) == (1.0, 1.0, 0.0) and labels.label_mask(1) == (0.0, 0.0, 1.0)


def test_read_table_supports_the_celeba_format(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text("2\nBlond_Hair Male\n000001.jpg  -1  1\n000002.jpg   1 -1\n")
    table = read_table(path)
    assert table.columns == ("Blond_Hair", "Male") and table.cells_by_name["000002.jpg"] == ("1", "-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a header"),
        ("file,a\n", "expected a header"),
        ("file,a,b\nx.png,1\n", "row 1 .'x.png'. has 1 values"),
    ],
)
def test_read_table_raises_work_error_for_damaged_tables(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(WorkError, match=expected) as error:
        read_table(tmp_path / "t.csv")
    assert "t.csv" in str(error.value)


def test_a_table_next_to_a_folder_defines_labels_and_domains(tmp_path: Path) -> None:
    files, tables, labels = discover_labelled_data([write_people(tmp_path)], ("black|blond", "glasses"))
    data = attach_labels(split_files(files[0], 0, 0), tables[0], labels, 0)
    rows = dict(zip(data.splits.train, data.train.tolist(), strict=True))
    assert rows == {"a.png": [1, 0, 1], "b.png": [0, 1, 0], "c.png": [0, 1, 1]}
    found = {part.name: sorted(part.train) for _, part in iterate_domain_splits([data], labels)}
    assert found == {
        "black": ["a.png"],
        "blond": ["b.png", "c.png"],
        "glasses": ["a.png", "c.png"],
        "no-glasses": ["b.png"],
    }


def test_a_categorical_column_is_an_exclusive_group(tmp_path: Path) -> None:
    folder = write_people(tmp_path, "file,hair\na.png,black\nb.png,blond\nc.png,blond\n")
    files, tables, labels = discover_labelled_data([folder], ("hair",))
    assert labels.groups == (LabelGroup(values=("black", "blond"), column="hair"),)
    data = attach_labels(split_files(files[0], 0, 0), tables[0], labels, 0)
    assert data.train.tolist() == [[1, 0], [0, 1], [0, 1]]


def test_data_sets_with_different_labels_get_joint_label_vectors(tmp_path: Path) -> None:
    faces = write_pictures(tmp_path / "faces", "happy/1.png", "sad/2.png", "sad/3.png")
    files, tables, labels = discover_labelled_data([write_people(tmp_path), faces], ("glasses",))
    assert labels.dataset_groups == ((0,), (1,)) and labels.domains == ("glasses", "no-glasses", "happy", "sad")
    data = [attach_labels(split_files(part, 0, 0), tables[i], labels, i) for i, part in enumerate(files)]
    assert data[0].train.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]] and data[0].known_columns == (1, 0, 0)
    assert data[1].train.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1]] and data[1].known_columns == (0, 1, 1)


def test_written_labels_can_be_read_again(tmp_path: Path) -> None:
    files, tables, labels = discover_labelled_data([write_people(tmp_path)], ("black|blond", "glasses"))
    sets = split_files(files[0], 0, 0)
    data = attach_labels(sets, tables[0], labels, 0)
    write_labels(tmp_path / "kept.csv", data, labels)
    read_again = attach_labels(sets, read_table(tmp_path / "kept.csv"), labels, 0)
    assert np.array_equal(read_again.train, data.train) and list(read_again.splits.train) == list(data.splits.train)


def test_files_without_a_row_are_left_out_and_no_rows_raise_work_error(tmp_path: Path) -> None:
    folder = write_people(tmp_path, "file,glasses\na.png,1\nother.png,0\n")
    files, tables, labels = discover_labelled_data([folder], ("glasses",))
    assert list(attach_labels(split_files(files[0], 0, 0), tables[0], labels, 0).splits.train) == ["a.png"]
    folder = write_people(tmp_path / "2", "file,glasses\nx.png,1\n")
    files, tables, labels = discover_labelled_data([folder], ("glasses",))
    with pytest.raises(WorkError, match="no row for any file"):
        attach_labels(split_files(files[0], 0, 0), tables[0], labels, 0)


def test_unknown_attributes_and_missing_tables_raise_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'glases'.*glasses"):
        discover_labelled_data([write_people(tmp_path)], ("glases",))
    with pytest.raises(WorkError, match=r"expected a table \(bare.csv"):
        discover_labelled_data([write_people(tmp_path / "2"), write_pictures(tmp_path / "bare", "1.png")], ("glasses",))


def test_cells_that_are_not_boolean_raise_work_error(tmp_path: Path) -> None:
    files, tables, labels = discover_labelled_data([write_people(tmp_path)], ("black|blond",))
    table = (
        write_people(tmp_path / "2", "file,black,blond\na.png,1,0\nb.png,maybe,1\nc.png,0,1\n").parent / "people.csv"
    )
    with pytest.raises(WorkError, match=r"people.csv: 'maybe'; expected 0 or 1"):
        attach_labels(split_files(files[0], 0, 0), read_table(table), labels, 0)
    assert tables[0].path.name == "people.csv"


def test_a_categorical_label_is_read_from_its_column(tmp_path: Path) -> None:
    table = "file,eyes,hair\na.png,black,blond\nb.png,blue,black\nc.png,blond,\n"
    files, tables, labels = discover_labelled_data([write_people(tmp_path, table)], ("hair",))
    assert labels.domains == ("black", "blond"), "an empty cell is no value"
    data = attach_labels(split_files(files[0], 0, 0), tables[0], labels, 0)
    assert data.train.tolist() == [[0, 1], [1, 0], [0, 0]], "eyes have the same values"
    assert read_known_labels(tables[0], labels)["a.png"] == (0, 1)
    assert np.isnan(read_known_labels(tables[0], labels)["c.png"]).all()


@pytest.mark.parametrize("value", ["a/b", "..", "a,b", "a=b", "long" * 30])
def test_values_that_cannot_name_a_domain_raise_usage_error(value: str, tmp_path: Path) -> None:
    folder = write_people(tmp_path, f'file,hair\na.png,"{value}"\nb.png,blond\nc.png,blond\n')
    with pytest.raises(UsageError, match="cannot name a domain"):
        discover_labelled_data([folder], ("hair",))


def test_read_table_supports_byte_order_mark_quotes_and_empty_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbf"file","a"\r\n"x, y.png","1"\r\n"x, y.png",1\r\n,\r\n')
    table = read_table(path)
    assert table.columns == ("a",) and table.cells_by_name == {"x, y.png": ("1",)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,a\nx.png,1\nx.png,0\n", "row 2 contradicts an earlier row of 'x.png'"),
        ("file,a,a\nx.png,1,0\n", "two columns are named 'a'"),
        ("file;a\nx.png;1\n", "separated by commas"),
        ('file,a\nx.png,"' + "1" * 200_000 + "\n", "cannot be read as a table"),
    ],
)
def test_read_table_raises_work_error_for_contradictions(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(WorkError, match=expected):
        read_table(tmp_path / "t.csv")


def test_a_row_that_matches_files_of_two_folders_raises_work_error(tmp_path: Path) -> None:
    write_pictures(tmp_path / "people", "one/a.png", "two/a.png")
    (tmp_path / "people.csv").write_text("file,glasses\na.png,1\n")
    files, tables, labels = discover_labelled_data([tmp_path / "people"], ("glasses",))
    with pytest.raises(WorkError, match=r"row 'a.png' matches one/a.png and two/a.png"):
        attach_labels(split_files(files[0], 0, 0), tables[0], labels, 0)


def test_attributes_without_a_table_raise_usage_error_with_the_expected_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bare has no table of labels; expected bare.csv beside it"):
        discover_labelled_data([write_pictures(tmp_path / "bare", "1.png")], ("hair",))


def test_a_quote_that_is_never_closed_raises_work_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('file,hair\na.png,black\nb.png,"blond\nc.png,black\n')
    with pytest.raises(WorkError, match=r"labels\.csv"):
        read_table(path)
