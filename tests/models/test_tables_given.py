"""Rows with some cells given, constraints, and several imputations."""

import copy

import aecore as ae
import numpy as np
import pytest
from aecore.data.tables import Layout, Table
from aecore.data.tables.constraints import Link
from aecore.models.tabular.given import Given
from aecore.models.tabular.posterior import _decoded, particles

SMALL = ae.Dense((32,))


def people(n, seed=0):
    """Return rows in which job and pay depend on sex and age."""
    rng = np.random.default_rng(seed)
    X = np.zeros(n, [("sex", "U1"), ("age", float), ("job", "U2"), ("pay", float)])
    X["sex"] = rng.choice(["F", "M"], n)
    X["age"] = np.where(X["sex"] == "F", rng.normal(40, 8, n), rng.normal(50, 8, n)).round()
    X["job"] = np.where(rng.random(n) < np.where(X["sex"] == "F", 0.8, 0.3), "a", "b")
    X["pay"] = X["age"] * 10 + 100 * (X["job"] == "a") + rng.normal(0, 20, n)
    return X


@pytest.fixture(scope="module", params=["histogram", "normal"])
def model(request):
    how = {"learning_rate": 5e-3, "epochs": 30, "random_state": 0}
    return ae.TabularVAE(SMALL, 4, numbers=request.param, **how).fit(people(3000))


def test_rows_given_a_level_follow_the_conditional_distribution(model):
    drawn = model.sample(3000, given={"sex": "F"}, random_state=0)
    assert (drawn["sex"] == "F").all()
    assert (drawn["job"] == "a").mean() == pytest.approx(0.8, abs=0.06)
    assert drawn["age"].mean() == pytest.approx(40, abs=1.5)
    assert 0.3 < model.sampling_efficiency_ <= 1


def test_rows_given_a_number_have_it_exactly(model):
    drawn = model.sample(3000, given={"age": 45}, random_state=0)
    assert (drawn["age"] == 45).all()
    women = 1 / (1 + np.exp((5**2 - 5**2) / (2 * 8**2)))  # 45 is as far from both means
    assert (drawn["sex"] == "F").mean() == pytest.approx(women, abs=0.08)
    assert drawn["pay"].mean() == pytest.approx(505, abs=15)


def test_rows_given_ranges_and_sets_stay_within_them(model):
    X, given = people(20_000, 1), {"age": (60, None), "job": ["b"]}
    drawn = model.sample(2000, given=given, random_state=0)
    assert (drawn["age"] >= 60).all() and (drawn["job"] == "b").all()
    kept = X[(X["age"] >= 60) & (X["job"] == "b")]
    assert (drawn["sex"] == "M").mean() == pytest.approx((kept["sex"] == "M").mean(), abs=0.08)
    assert drawn["pay"].mean() == pytest.approx(kept["pay"].mean(), rel=0.04)
    narrow = model.sample(200, given={"pay": (400.5, 410.25)}, random_state=0)["pay"]
    assert narrow.min() >= 400.5 and narrow.max() <= 410.25 and len(set(narrow)) > 100


def test_each_row_may_have_cells_of_its_own(model):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"age": [30.0, 60, np.nan] * 100, "sex": ["F", None, "M"] * 100})
    drawn = model.sample(300, given=frame, random_state=0)
    for k in range(2):
        assert (drawn["age"][k::3] == frame["age"][k]).all()
    assert (drawn["sex"][::3] == "F").all() and (drawn["sex"][2::3] == "M").all()
    assert (drawn["sex"][1::3] == "M").mean() > 0.75  # of 60 years
    assert drawn["age"][2::3].mean() == pytest.approx(50, abs=3)


def test_numbers_that_float32_lacks_are_kept():
    X = np.random.default_rng(0).normal(size=(300, 2))
    m = ae.TabularVAE(SMALL, 2, epochs=2, random_state=0).fit(X)
    x = float(X[7, 0])
    assert (m.sample(5, given={0: x}, random_state=0)[:, 0] == x).all()


def test_the_same_seed_gives_the_same_rows(model):
    given = {"sex": "M", "age": (30, 40)}
    one, two = (model.sample(50, given=given, random_state=3) for _ in range(2))
    before = ae.get_num_threads()
    try:
        ae.set_num_threads(2)
        three = model.sample(50, given=given, random_state=3)
    finally:
        ae.set_num_threads(before)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
    assert model.sample(0, given=given).shape == (0,)


def test_rare_rows_are_warned_of():
    x = np.random.default_rng(0).normal(size=(2000, 1))
    how = {"hidden": 0.0, "numbers": "normal", "learning_rate": 5e-3, "random_state": 0}
    m = ae.TabularVAE(SMALL, 1, epochs=40, **how).fit(np.repeat(x, 9, axis=1))
    contrary = {j: 2.0 * (-1) ** j for j in range(8)}  # in fit all columns were equal
    with pytest.warns(UserWarning, match="codes are worth"):
        drawn = m.sample(5, given=contrary, random_state=0)
    assert (drawn[:, :8] == list(contrary.values())).all()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"foo": 1}, ValueError, r"given: expected columns .*sex, age, job, pay.*got 'foo'"),
        ({"sex": "X"}, ValueError, r"'sex': expected levels seen in fit \(F, M\), got 'X'"),
        ({"age": 400}, ValueError, "'age': expected numbers from .* got 400"),
        ({"age": 40.5}, ValueError, "'age': expected multiples of 1"),
        ({"age": "old"}, TypeError, "'age': expected numbers"),
        ({"age": None}, ValueError, "'age': expected a value, got None"),
        ({"age": [40]}, ValueError, "'age': expected a number or a range"),
        ({"age": (40, 30)}, ValueError, "'age': expected a range"),
        ({"age": (1, 2, 3)}, ValueError, "'age': expected a range"),
        ({"age": (400, 500)}, ValueError, "'age': expected a range"),
        ({"sex": ("F", "M")}, ValueError, "'sex': expected a level or a list"),
        ({"sex": []}, ValueError, "'sex': expected levels, got none"),
        ({"age": (40.2, 40.8)}, ValueError, "'age': expected a multiple of 1"),
        (people(3)[["sex"]], ValueError, "expected a row for each of n=4, got 3"),
        (7, ValueError, "given: Expected 2D array"),
    ],
)
def test_odd_conditions(model, given, error, text):
    with pytest.raises(error, match=text):
        model.sample(4, given=given)
    for name, value in {"near": people(1), "scale": 2, "y": 0}.items():
        word = "y" if name == "y" else "near"
        with pytest.raises(ValueError, match=f"{word}: expected None"):
            model.sample(4, given={"sex": "F"}, **{name: value})


def test_a_range_without_width_is_a_number(model):
    for given in ({"age": (45, 45)}, {"age": (44.5, 45.5)}):
        one, two = (model.sample(50, given=g, random_state=0) for g in (given, {"age": 45}))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("numbers", ["histogram", "normal"])
def test_ranges_that_no_row_is_in(numbers):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((500, 1)) < 0.5, 0, 10) + rng.integers(0, 3, (500, 1))
    how = {"learning_rate": 1e-2, "batch_size": 50, "epochs": 60, "random_state": 0}
    m = ae.TabularVAE(SMALL, 2, numbers=numbers, **how).fit(np.repeat(X, 2, axis=1) * [1.0, 2.0])
    if numbers == "histogram":
        with pytest.raises(ValueError, match="given: 0: expected a range with numbers of fit"):
            m.sample(5, given={0: (5, 7)})
    else:
        drawn = m.sample(200, given={0: (5, 7)}, random_state=0)
        assert ((drawn[:, 0] >= 5) & (drawn[:, 0] <= 7)).all()
    wide = m.sample(500, given={0: (5, 11)}, random_state=0)
    assert set(wide[:, 0]) <= {5, 6, 7, 8, 9, 10, 11} and (wide[:, 1] > 5).mean() > 0.9


def test_what_has_no_probability_is_refused(model, monkeypatch):
    def nothing(self, loss, output):
        return np.full(len(output), -np.inf)

    monkeypatch.setattr(Given, "log_chance", nothing)
    with pytest.raises(ValueError, match="given: expected what the model may draw"):
        model.sample(4, given={"age": (40, 50)})


@pytest.mark.parametrize("flow", [ae.PlanarFlow(4), ae.InverseAutoregressiveFlow(2, 32, 8)])
def test_codes_behind_a_flow_are_weighed_by_their_density(flow, monkeypatch):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 2000)
    X = np.stack([group * 4 + rng.normal(size=2000) for _ in range(3)], axis=1)
    how = {"learning_rate": 5e-3, "epochs": 20, "numbers": "normal", "random_state": 0}
    m = ae.TabularVAE(SMALL, 2, posterior=flow, **how).fit(X)
    for step in m._network.posterior.steps:  # far from the identity, whatever was learned
        for _, p in step.parameters():
            p.value += rng.normal(size=p.shape).astype(np.float32) * 0.2
    gaps = X[:60].copy()
    gaps[:, 2] = np.nan
    given = m._layout.matrix(Table(gaps))
    totals = []
    for share in (0.5, 0.999):  # all but one from the prior: no flow has a part in their weights
        how = {"share": share, "alike": True}
        parts = list(particles(m, given, 4000, ae.Normal(), 0, **how))
        outs = [np.einsum("ns,nso->no", p.shares, p.output) for p in parts]
        totals.append(np.concatenate(outs)[:, 2])
    assert np.abs(totals[0] - totals[1]).mean() < 0.1


def test_a_row_of_gaps_is_certain():
    X = np.random.default_rng(0).lognormal(5, 2, (500, 2))
    for numbers in ("histogram", "normal"):
        m = ae.TabularVAE(SMALL, 2, epochs=5, numbers=numbers, random_state=0).fit(X)
        nothing = np.full((1, 2), np.nan)
        assert m.log_likelihood(nothing, n_samples=5000, random_state=0) == pytest.approx(
            0, abs=0.1
        )
        scores = m.score_cells(np.array([[X[:, 0].max(), X[0, 1]], [1e9, X[0, 1]]]))
        assert scores[1, 0] > scores[0, 0] + 5  # beyond all that fit has seen


# ---- constraints ---------------------------------------------------------------------------------


def tied(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = np.zeros(n, [("a", float), ("b", int), ("start", float), ("end", float), ("total", float)])
    X["a"], X["b"] = rng.random(n), rng.integers(0, 2, n)
    X["total"] = X["a"] + X["b"]
    X["start"] = rng.normal(size=n)
    X["end"] = X["start"] + rng.exponential(size=n) * (rng.random(n) < 0.5)
    return X


BOTH = [ae.SumTo("total", ["a", "b"]), ae.Ordered(["start", "end"])]
HOW = {"learning_rate": 5e-3, "epochs": 20, "random_state": 0}


@pytest.fixture(scope="module", params=["histogram", "normal"])
def constrained(request):
    return ae.TabularVAE(SMALL, 4, numbers=request.param, constraints=BOTH, **HOW).fit(tied())


def check(drawn):
    np.testing.assert_array_equal(drawn["total"], drawn["a"] + drawn["b"])
    assert (drawn["start"] <= drawn["end"]).all()


def test_rows_that_are_drawn_meet_the_constraints(constrained, tmp_path):
    X, drawn = tied(), constrained.sample(2000, random_state=0)
    check(drawn)
    for name in X.dtype.names:
        if name != "total":
            assert X[name].min() - 1e-6 <= drawn[name].min()
            assert drawn[name].max() <= X[name].max() + 1e-6
    assert drawn["end"].std() == pytest.approx(X["end"].std(), rel=0.3)
    check(constrained.sample(500, given={"a": (0.2, 0.4), "start": (0, 1)}, random_state=0))
    check(constrained.reconstruct(X))
    constrained.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    np.testing.assert_array_equal(
        again.sample(20, random_state=1), constrained.sample(20, random_state=1)
    )
    assert again.constraints == BOTH


def test_gaps_are_filled_by_the_constraints(constrained):
    X = tied()
    X["total"][:50] = X["end"][50:100] = np.nan
    check(constrained.impute(X))
    for full in constrained.impute(X, n_draws=2, random_state=0):
        check(full)


def test_gaps_before_what_is_there_are_filled_by_the_constraints(constrained):
    for gone in (["a"], ["a", "b"], ["start"], ["a", "b", "start", "end"], ["total", "b"]):
        X = tied()
        for name in gone:
            X[name] = np.nan if name != "b" else 7
        mask = np.ones((len(X), 5), bool)
        for name in gone:
            mask[:, X.dtype.names.index(name)] = False
        for full in (
            constrained.impute(X, sample_mask=mask),
            *constrained.impute(X, sample_mask=mask, n_draws=2, random_state=0),
        ):
            np.testing.assert_allclose(full["total"], full["a"] + full["b"], atol=1e-12)
            assert (full["start"] <= full["end"]).all()
            for name in set(X.dtype.names) - set(gone):
                np.testing.assert_array_equal(full[name], X[name])


def test_terms_of_a_sum_that_is_there():
    link = Link(3, (0, 1, 2), True, 0.0, 9.0)
    numbers = {0: [1.0, 1, 1, 0], 1: [2.0, 2, -1, 0], 2: [3.0, 3, 3, 3], 3: [9.0, 7, 4, 5]}
    made = {0: [True, True, True, True], 1: [True, False, True, True]}
    made |= {2: [False] * 4, 3: [False] * 4}
    numbers, made = ({j: np.array(v) for j, v in d.items()} for d in (numbers, made))
    fixed = {j: ~v for j, v in made.items()}
    link.settle(numbers, made, fixed, {0: 1.0, 1: 0.0, 2: 1.0, 3: 1.0})
    assert fixed[0].all() and fixed[1].all()
    assert numbers[0].tolist() == [2, 2, 2, 1]  # scaled by 2; alone; moved by 1/2, to 1.5; from 0
    assert numbers[1].tolist() == [4, 2, -1, 1]
    assert numbers[2].tolist() == [3] * 4 and numbers[3].tolist() == [9, 7, 4, 5]


def filled(X, constraints, gone, **options):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X)
    m = ae.TabularVAE(SMALL, 2, constraints=constraints, epochs=4, random_state=0).fit(frame)
    return m.impute(frame.assign(**dict.fromkeys(gone, np.nan)), **options)


def test_terms_of_both_signs_stay_what_they_are_like():
    rng = np.random.default_rng(0)
    a, b = rng.normal(100, 10, 500), -rng.normal(99, 10, 500)
    Z = filled({"a": a, "b": b, "t": a + b}, [ae.SumTo("t", ["a", "b"])], ["a", "b"])
    assert Z["a"].between(40, 160).all()
    np.testing.assert_allclose(Z["a"] + Z["b"], a + b, atol=1e-9)
    nothing = np.where(rng.random(500) < 0.5, 0, rng.random(500))
    both = {"a": nothing, "b": nothing * 2, "t": nothing * 3}
    Z = filled(both, [ae.SumTo("t", ["a", "b"])], ["a", "b"])
    assert (Z["a"] >= 0).all() and (Z["b"] >= 0).all() and (Z["a"][nothing == 0] == 0).all()


def test_sums_of_sums_and_of_what_is_in_order():
    rng = np.random.default_rng(0)
    a, b, c = rng.random((3, 300))
    nested = {"a": a, "b": b, "c": c, "s": a + b, "t": a + b + c}
    for gone in ("as", "sc", "sab", "sac", "sabc", "sabct", "at"):
        Z = filled(nested, [ae.SumTo("s", ["a", "b"]), ae.SumTo("t", ["s", "c"])], gone)
        for total, parts in (("s", ["a", "b"]), ("t", ["s", "c"])):
            np.testing.assert_allclose(Z[total], Z[parts].sum(axis=1), atol=1e-9)
        for name in set("abcst") - set(gone):
            np.testing.assert_array_equal(Z[name], nested[name])
    a = rng.integers(0, 10, 300)
    b = a + rng.poisson(1, 300)
    ordered = {"a": a, "b": b, "u": a + b}
    rules = [ae.Ordered(["a", "b"]), ae.SumTo("u", ["a", "b"])]
    for gone in ("ab", "au", "bu", "abu", "a", "u"):
        Z = filled(ordered, rules, gone, n_draws=1, random_state=0)[0]
        assert (Z["a"] <= Z["b"]).all() and (Z["u"] == Z["a"] + Z["b"]).all()


def test_whole_totals_of_parts_that_are_not():
    rng = np.random.default_rng(0)
    t = rng.integers(1, 20, 300)
    a = (rng.random(300) * t).round(2)
    X = {"a": a, "b": (t - a).round(2), "t": t}
    Z = filled(X, [ae.SumTo("t", ["a", "b"])], ["t"])
    assert (Z["t"] == t).all()
    a = rng.integers(-50, 50, 300)
    Z = filled({"a": a, "b": a + rng.exponential(1, 300)}, [ae.Ordered(["a", "b"])], ["a"])
    assert (Z["a"] <= Z["b"]).all() and (Z["a"] % 1 == 0).all()
    a = a + 0.5  # differences are whole, and what they are of isn't
    X = np.stack([a, a + rng.poisson(1, 300)], axis=1)
    m = ae.TabularVAE(SMALL, 2, constraints=[ae.Ordered([0, 1])], epochs=4, random_state=0).fit(X)
    drawn = m.sample(500, random_state=0)
    away = drawn[:, 1] - drawn[:, 0]
    assert away.min() >= 0 and np.abs(away - away.round()).mean() < 0.01
    assert (m.sample(3, given={0: 10.5, 1: 12.5}, random_state=0) == [10.5, 12.5]).all()


def test_the_ends_of_a_range_are_as_likely_as_what_is_within():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 1000, (3000, 1)).astype(float)
    m = ae.TabularVAE(SMALL, 1, epochs=4, random_state=0).fit(x)
    drawn = m.sample(20_000, given={0: (500, 502)}, random_state=2)[:, 0]
    _, counts = np.unique(drawn, return_counts=True)
    assert counts.min() > 5000
    m = ae.TabularVAE(SMALL, 1, epochs=4, numbers="normal", random_state=0).fit(
        rng.random((2000, 1))
    )
    free, drawn = (m.sample(50_000, random_state=1, **g) for g in ({}, {"given": {0: (0.9, None)}}))
    free, top = free[free >= 0.9], free.max()
    assert (drawn == top).mean() == pytest.approx((free == top).mean(), abs=0.05)


def test_gaps_that_no_number_fills():
    rng = np.random.default_rng(0)
    a = rng.random(100)
    X = np.stack([a, a + 1, 2 * a + 1], axis=1)
    rules = [ae.Ordered([0, 1]), ae.SumTo(2, [0, 1])]
    m = ae.TabularVAE(SMALL, 2, constraints=rules, epochs=2, random_state=0).fit(X)
    X[:7, 1], X[:7, 2] = np.nan, 0.1  # the end would be before its start
    X[:7, 0] = 0.9
    with pytest.warns(UserWarning, match="so that they are met, got 7 rows"):
        m.impute(X)


def test_what_follows_from_others_can_be_given_with_them(constrained):
    given = {"start": 0.25, "end": 0.5, "a": 0.5, "b": 1, "total": 1.5}
    drawn = constrained.sample(20, given=given, random_state=0)
    for name, value in given.items():
        assert (drawn[name] == value).all()
    for bad, text in [
        ({"end": 0.5}, "'end': expected 'start' with it"),
        ({"total": 1.0, "a": 0.5}, "'total': expected 'a', 'b' with it"),
        ({"total": (0, 1)}, "'total': expected a number"),
        ({"start": 0.5, "end": 0.25}, "'end': expected what the constraints say"),
        ({"a": 0.5, "b": 1, "total": 1.25}, "'total': expected what the constraints say"),
    ]:
        with pytest.raises(ValueError, match=text):
            constrained.sample(2, given=bad)


def test_times_in_order():
    rng = np.random.default_rng(0)
    X = np.zeros(300, [("from", "M8[D]"), ("to", "M8[D]")])
    X["from"] = np.datetime64("2024-01-01") + rng.integers(0, 300, 300)
    X["to"] = X["from"] + rng.integers(0, 20, 300)
    m = ae.TabularVAE(SMALL, 2, constraints=[ae.Ordered(["from", "to"])], **HOW).fit(X)
    drawn = m.sample(1000, random_state=0)
    assert (drawn["from"] <= drawn["to"]).all() and drawn.dtype == X.dtype
    days = (drawn["to"] - drawn["from"]).astype(int)
    assert days.max() <= 19 and days.mean() == pytest.approx(9.5, abs=2)
    gaps = X.copy()
    gaps["from"][:100] = gaps["to"][50:150] = np.datetime64("NaT")
    full = m.impute(gaps)
    assert (full["from"] <= full["to"]).all() and (full["to"][:50] == X["to"][:50]).all()
    years = np.zeros(300, [("from", int), ("to", "M8[D]")])
    with pytest.raises(TypeError, match="times alone, or numbers, got both"):
        ae.TabularVAE(SMALL, 2, constraints=[ae.Ordered(["from", "to"])], **HOW).fit(years)


@pytest.mark.parametrize(
    ("constraints", "error", "text"),
    [
        ([ae.SumTo("a", ["b", "total"])], ValueError, r"every row, as SumTo.*rows \d+, .*\.\.\."),
        ([ae.Ordered(["end", "start"])], ValueError, "expected columns in order in every row"),
        ([ae.Ordered(["end"])], ValueError, "at least two columns"),
        ([ae.SumTo("total", "ab")], ValueError, "expected a list of columns"),
        ([ae.SumTo("sum", ["a"])], ValueError, "constraints: expected columns of X"),
        ([*BOTH, BOTH[0]], ValueError, "to follow once from others"),
        ("sum", TypeError, "constraints: expected a list"),
        ([1], TypeError, r"expected SumTo\(\.\.\.\) or Ordered"),
    ],
)
def test_constraints_that_rows_do_not_meet(constraints, error, text):
    m = ae.TabularVAE(SMALL, 2, constraints=constraints, **HOW)
    with pytest.raises(error, match=text):
        m.fit(tied())


@pytest.mark.parametrize("wanted, column", [("columns in order", "end"), ("total == sum", "total")])
def test_further_rows_meet_them_too(constrained, wanted, column):
    model, odd = copy.deepcopy(constrained).set_params(warm_start=True), tied(50)
    odd[column][[3, 7]] = -1
    text = f"^X: expected {wanted}.* as constraints say, got 2 others: rows 3, 7$"
    for train in (model.partial_fit, model.fit):
        with pytest.raises(ValueError, match=text):
            train(odd)
        with pytest.raises(ValueError, match=text):
            train(odd[list(odd.dtype.names[::-1])])
    with pytest.raises(ValueError, match=f"^batch 2: {text[1:]}"):
        model.fit(lambda: iter([tied(50), odd]))
    before = len(model.history_)
    model.partial_fit(tied(50)[list(odd.dtype.names[::-1])])
    assert len(model.history_) == before + 1
    assert np.isfinite(model.score_samples(odd)).all()  # they may be scored


@pytest.mark.parametrize(
    "links",
    [
        1,
        [[0]],
        [[0, [], True, 0.0, 1.0]],
        [[0, [9], True, 0.0, 1.0]],
        [[0, [0], True, 0.0, 1.0]],
        [[0, [1], 1, 0.0, 1.0]],
        [[0, [1], True, 0, np.inf]],
        [[0, [1], True, 0.0, 1.0], [1, [0], True, 0.0, 1.0]],
    ],
)
def test_files_with_odd_links_are_refused(constrained, links):
    found = constrained._layout.describe()
    with pytest.raises(ValueError, match="expected"):
        Layout.read(found | {"links": links})


# ---- imputation ---------------------------------------------------------------------------------


def test_imputation_by_draws():
    X = people(2000)
    m = ae.TabularVAE(SMALL, 4, learning_rate=5e-3, epochs=30, random_state=0).fit(X)
    gaps = people(600, 7)
    truth = gaps.copy()
    gaps["age"][:300], gaps["job"][300:] = np.nan, ""
    tables = m.impute(gaps, n_draws=40, random_state=0)
    assert len(tables) == 40
    ages = np.array([t["age"][:300] for t in tables])
    low, high = np.quantile(ages, (0.05, 0.95), axis=0)
    inside = ((truth["age"][:300] >= low) & (truth["age"][:300] <= high)).mean()
    assert 0.8 < inside <= 1
    for t in tables:
        assert (t["age"][300:] == truth["age"][300:]).all() and (
            t["job"][:300] == truth["job"][:300]
        ).all()
    assert (tables[0]["age"] != tables[1]["age"]).any()
    again = m.impute(gaps, n_draws=2, random_state=0)
    np.testing.assert_array_equal(again[1], tables[1])
    share = np.mean([t["job"][300:] == truth["job"][300:] for t in tables], axis=0)
    assert share.mean() > 0.6
    with pytest.raises(ValueError, match="n_draws"):
        m.impute(gaps, n_draws=0)


def test_expected_cells_are_means_over_codes_by_their_weights():
    X = people(2000)
    how = {"learning_rate": 5e-3, "epochs": 30, "random_state": 0}
    m = ae.TabularVAE(SMALL, 4, **how).fit(X)
    gaps = people(200, 7)
    gaps["pay"] = np.nan
    drawn = np.mean([t["pay"] for t in m.impute(gaps, n_draws=200, random_state=0)], axis=0)
    away = np.abs(m.impute(gaps)["pay"] - drawn)  # of 64 codes either way
    assert away.mean() < 12 and away.mean() < np.abs(drawn - drawn.mean()).mean() / 5


def test_likelihoods_and_imputations_of_rows_with_gaps_are_integrals_over_codes():
    X = people(1000)
    how = {"learning_rate": 5e-3, "epochs": 20, "random_state": 0, "importance_samples": 3}
    m = ae.TabularVAE(SMALL, 1, **how).fit(X)  # MIWAE: several draws, and gaps
    rows = people(12, 3)
    rows["age"], rows["job"][::2] = np.nan, ""
    cells = m._layout.matrix(ae.data.tables.Table(rows))
    z = np.linspace(-6, 6, 2001, dtype=np.float32)[:, None]
    output = _decoded(m, z)
    prior = np.exp(-0.5 * z[:, 0].astype(float) ** 2)
    prior /= prior.sum()
    for i, row in enumerate(cells):
        nats = m._loss.cell_losses(None, None, output, np.repeat(row[None], len(z), 0)).sum(1)
        joint = prior * np.exp(-nats.astype(float))
        scale = m._layout.log_scale(row[None])[0]
        found = m.log_likelihood(rows[i : i + 1], n_samples=1000, random_state=0)[0]
        assert found == pytest.approx(np.log(joint.sum()) + scale, abs=0.05)
        bound = m.elbo(rows[i : i + 1], n_samples=1000, random_state=0)[0]
        assert bound <= found + 0.05
        mean = m._loss.averaged(output[None], (joint / joint.sum())[None])
        wanted = m._layout.table(mean)["age"][0]
        assert m.impute(rows[i : i + 1])["age"][0] == pytest.approx(wanted, abs=2)


def test_shares_of_levels_given_cells_are_those_of_the_model():
    m = ae.TabularVAE(SMALL, 1, learning_rate=5e-3, epochs=20, random_state=0).fit(people(1000))
    z = np.linspace(-6, 6, 2001, dtype=np.float32)[:, None]
    output, loss = _decoded(m, z), m._loss
    cells = np.full((1, 4), np.nan, np.float32)
    cells[0, 1] = m._layout.columns[1].coded(np.array([35.0]))[0]
    nats = loss.cell_losses(None, None, output, np.repeat(cells, len(z), 0)).sum(1)
    weight = np.exp(-0.5 * z[:, 0].astype(float) ** 2 - nats)
    pay = loss.histograms[3].bins
    above = loss.probabilities(output, 3) @ (1 - pay.below_number(450.0))
    weight *= above  # given={"age": 35, "pay": (450, None)}
    women = loss.probabilities(output, 0)[:, 0]
    wanted = (weight * women).sum() / weight.sum()
    drawn = m.sample(20_000, given={"age": 35, "pay": (450, None)}, random_state=0)
    assert (drawn["sex"] == "F").mean() == pytest.approx(wanted, abs=0.02)
