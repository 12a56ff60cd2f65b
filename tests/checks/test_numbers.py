"""What `check` says about numbers to predict."""


def test_outliers_and_numbers_outside_of_train_are_warnings(check, write):
    lines = [f"texto {number} aqui,{number % 4}" for number in range(150)]
    write("d/train.csv", "\n".join(["text,label", *lines, "um erro,1e6"]) + "\n")
    write("d/validation.csv", "\n".join(["text,label", "outra linha,2", "mais uma,-7"]) + "\n")
    found = check("task=regression", "dataset=csv", "dataset.path=d", "check.near_duplicates=null")
    assert found.code == 0
    assert found.one("standard deviations from the mean")["found"] == "row 150: 1e+06"
    assert "row 1: -7" in found.one("outside the range of train")["found"]
    assert found.report["numbers"]["train"]["label"]["max"] == 1e6


def test_one_number_in_most_rows_is_a_warning(check, write):
    lines = [f"texto {number} aqui,{int(number == 3)}" for number in range(60)]
    write("a.csv", "\n".join(["text,label", *lines]) + "\n")
    found = check("task=regression", "dataset=csv", "dataset.path=a.csv")
    assert found.one("most rows of train")["fix"] == "check dataset.columns.label"
