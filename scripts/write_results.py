"""Write docs/RESULTS.md from result files: `write_results.py --results results.json`.

results.json is of `judge_policy.py --out`. `--tried FILE` adds rows of what else was tried: result
files of the judge or of `train_rl.py --json`, or a JSON list of {"what", "pnl", "pnl_sd", "sharpe",
"reward", "inventory"}. Nothing on the page is typed by hand: change a result, run again.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rl import figures
from rl.bootstrap import in_words
from rl.evaluate import TEST_SEEDS
from rl.page import standalone

DOCS = Path(__file__).parents[1] / "docs"
RL = "rl"
FRONTIERS = ("images/frontier.svg", "images/frontier_near.svg")
MORE_LOTS = "images/frontier_lots.svg"
FIGURES = {"sharpe": "Sharpe", "reward": "reward", "pnl": "P&L"}
Json = Mapping[str, Any]


class ResultsError(ValueError):
    """A file that is not there or is no result."""


def main() -> int:
    """Read, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="of judge_policy.py --out")
    parser.add_argument("--tried", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--out", type=Path, default=DOCS / "RESULTS.md")
    arguments = parser.parse_args()
    try:
        results = read(arguments.results)
        check_judged(arguments.results, results)
        rows = [row for path in arguments.tried for row in tried_rows(path, read(path))]
    except ResultsError as error:
        print(f"write_results: {error}", file=sys.stderr)
        return 2
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    pictures = write_pictures(arguments.out.parent, results)
    arguments.out.write_text(page(results, rows, pictures), encoding="utf-8")
    print(f"wrote {arguments.out} and {', '.join(pictures)}")
    return 0


def read(path: Path) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is not JSON: {error}") from error


def check_judged(path: Path, results: Any) -> None:
    """Refuse what judge_policy.py has not written."""
    wanted = ("policy", "training", "task", "baselines", "markets", "runs", "test_seeds")
    missing = [key for key in wanted if not isinstance(results, dict) or key not in results]
    if missing:
        raise ResultsError(f"{path} is not of judge_policy.py --out: it has no {missing[0]!r}")


def tried_rows(path: Path, content: Any) -> Iterable[Json]:
    """What one more file tells of things tried."""
    if isinstance(content, dict) and "markets" in content:
        market, found = next(iter(content["markets"].items()))
        return [{"what": f"{content['policy']} on {market}", **found["strategies"][RL]}]
    if isinstance(content, dict) and "runs" in content:
        return [
            {"what": f"{path.stem}, seed {r['seed']}", **r["validation"]} for r in content["runs"]
        ]
    if isinstance(content, list) and all(isinstance(r, dict) and "what" in r for r in content):
        return content
    raise ResultsError(f"{path} is no result of the judge or of train_rl.py, and no list of rows")


def write_pictures(folder: Path, results: Json) -> list[str]:
    """The frontiers of the first market as SVG files; their paths from the page."""
    first = next(iter(results["markets"].values()))
    strategies, baselines = first["strategies"], results["baselines"]
    families = dict.fromkeys(row["family"] for row in baselines.values())
    places = {family: i for i, family in enumerate(families)}
    series = {name: f"s{places[row['family']]}" for name, row in baselines.items()}
    series[RL] = f"s{len(places)}"
    charts = dict(zip(FRONTIERS, figures.frontiers(strategies, series), strict=False))
    lots = {f"{n} lots": of for n, of in first["sizes"].items()}
    rivals = {n: strategies[n] for n, row in baselines.items() if row["objective"] == "sharpe"}
    charts[MORE_LOTS] = figures.frontier(
        "the policy with more lots",
        {RL: strategies[RL], **lots, **rivals},
        series | dict.fromkeys(lots, series[RL]),
    )
    (folder / "images").mkdir(exist_ok=True)
    for name, chart in charts.items():
        (folder / name).write_text(standalone(chart), encoding="utf-8")
    return list(charts)


def page(results: Json, rows: list[Json], pictures: list[str]) -> str:
    """The whole page."""
    sections = [
        heading(results),
        *(market_section(name, found, results) for name, found in results["markets"].items()),
        sizes_section(results),
        frontier_section(results, pictures),
        baselines_section(results),
        runs_section(results),
        tried_section(rows),
        provenance_section(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def heading(results: Json) -> str:
    """What was asked, and the answer."""
    lines = [
        "# Results",
        "",
        "Written by `scripts/write_results.py`; do not edit. Sharpe is mean / standard deviation of the "
        "P&L across episodes, not annualized; reward is that of the policy's task; money is tick-lots, "
        "marked to the others' mid; brackets are 95% bootstrap intervals over seeds, differences are "
        "paired by seed.",
        "",
        f"`{results['policy']}` on test seeds {span(results['test_seeds'])}{held_out(results)}:",
        "",
    ]
    lines += [verdict(name, found) for name, found in results["markets"].items()]
    return "\n".join(lines)


def held_out(results: Json) -> str:
    """Say so when the seeds are not those that nothing was ever chosen by."""
    first, last = results["test_seeds"]
    if TEST_SEEDS.start <= first and last < TEST_SEEDS.stop:
        return ", by which nothing was chosen"
    return " (**not** the held-out ones: a trial of the judge)"


def verdict(market: str, found: Json) -> str:
    """Which baselines are beaten, lost to, or neither, by Sharpe and by reward."""
    parts = []
    for figure in ("sharpe", "reward"):
        differences = {
            name: of[figure]
            for name, of in found["paired"].items()
            if of[figure]["mean"] is not None
        }
        beaten = [name for name, of in differences.items() if of["low"] > 0]
        lost = [name for name, of in differences.items() if of["high"] < 0]
        words = f"beats {len(beaten)} of {len(differences)} tuned baselines"
        if lost:
            words += f", **loses to {', '.join(lost)}**"
        parts.append(f"by {FIGURES[figure]} it {words}")
    return f"- **{market}**: {'; '.join(parts)}."


def market_section(market: str, found: Json, results: Json) -> str:
    """Scores of everybody, and the policy less each baseline."""
    trained = results["task"]["market"]
    note = "the market it was trained in" if market == trained else "never trained in"
    scores = table(
        ("strategy", "P&L", "sd", "Sharpe", "reward", "mean \\|position\\|"),
        (
            (name, in_words(of["pnl"]), f"{of['pnl_sd']:.1f}", in_words(of["sharpe"]),
             in_words(of["reward"]), f"{of['inventory']:.2f}")
            for name, of in found["strategies"].items()
        ),
    )  # fmt: skip
    paired = table(
        ("rl less", *FIGURES.values()),
        (
            (name, *(marked(of[figure]) for figure in FIGURES))
            for name, of in found["paired"].items()
        ),
    )
    return f"## {market} ({note})\n\n{scores}\n\nBold: the interval excludes 0.\n\n{paired}"


def sizes_section(results: Json) -> str:
    """The policy with more lots for each one that it was trained with."""
    rows = (
        (market, lots, in_words(of["pnl"]), f"{of['pnl_sd']:.1f}", in_words(of["sharpe"]),
         f"{of['inventory']:.2f}")
        for market, found in results["markets"].items()
        for lots, of in (("1", found["strategies"][RL]), *found["sizes"].items())
    )  # fmt: skip
    head = ("market", "unit_lots", "P&L", "sd", "Sharpe", "mean \\|position\\|")
    return (
        "## The same policy with more lots\n\n`--param unit_lots=N`: it sees its position in units "
        f"of N lots and trades in them.\n\n{table(head, rows)}\n\n"
        f"![mean P&L against its standard deviation, by lots]({MORE_LOTS})"
    )


def frontier_section(results: Json, pictures: list[str]) -> str:
    """The pictures."""
    market = next(iter(results["markets"]))
    known = [name for name in pictures if name in FRONTIERS]
    drawn = "\n".join(f"![mean P&L against its standard deviation]({name})" for name in known)
    return f"## Mean against risk, {market}\n\nDotted: equal Sharpe.\n\n{drawn}"


def baselines_section(results: Json) -> str:
    """How the baselines came by their parameters."""
    rows = (
        (
            name,
            ", ".join(f"{key}={value}" for key, value in of["parameters"].items()),
            f"{of['value']:.2f}",
            "-" if of["default_value"] is None else f"{of['default_value']:.2f}",
            f"{of['trials']:,}",
            f"{of['market_steps']:,}",
        )
        for name, of in results["baselines"].items()
    )
    head = (
        "baseline",
        "parameters",
        "on tuning seeds",
        "its defaults there",
        "trials",
        "market steps",
    )
    return (
        f"## Baselines\n\nSearched on seeds {span(results['tuning_seeds'])} with at least "
        f"{results['budget']:,} market steps each.{alike(results)}\n\n{table(head, rows)}"
    )


def alike(results: Json) -> str:
    """Say which baselines came out as the same quotes: they are one opponent, not two."""
    names: dict[str, list[str]] = {}
    for name in results["baselines"]:
        figures = [found["strategies"][name]["pnl"] for found in results["markets"].values()]
        names.setdefault(json.dumps(figures), []).append(name)
    pairs = [" and ".join(same) for same in names.values() if len(same) > 1]
    return "".join(f" {pair} came out as the same quotes in every market." for pair in pairs)


def runs_section(results: Json) -> str:
    """Every training seed, not only the best."""
    if not results["runs"]:
        return ""
    rows = []
    for run in results["runs"]:
        best = run["validation"] or {}
        cells = [f"{best[key]:.2f}" if key in best else "-" for key in ("sharpe", "reward")]
        test = (in_words(run["test"][key]) for key in ("sharpe", "reward", "pnl"))
        rows.append((run["file"], run["seed"], f"{run['timesteps'] or 0:,}", *cells, *test))
    head = (
        "file",
        "seed",
        "decisions",
        "validation Sharpe",
        "reward",
        "test Sharpe",
        "reward",
        "P&L",
    )
    return f"## All training seeds\n\n{table(head, rows)}"


def tried_section(rows: list[Json]) -> str:
    """What else was tried."""
    if not rows:
        return ""
    keys = ("pnl", "pnl_sd", "sharpe", "reward", "inventory")
    cells = ((row["what"], *(in_words(row.get(key)) for key in keys)) for row in rows)
    head = ("what", "P&L", "sd", "Sharpe", "reward", "mean \\|position\\|")
    told = "Earlier runs, each on the paths that the market had at its time."
    return f"## What was tried\n\n{told}\n\n{table(head, cells)}"


def provenance_section(results: Json) -> str:
    """What was run."""
    versions = ", ".join(f"{k} {v}" for k, v in results.get("versions", {}).items())
    recipe = json.dumps(results["training"].get("recipe", {}), indent=1)
    task = json.dumps(results["task"], indent=1)
    return (
        f"## What was run\n\n```\n{results.get('command', '')}\n```\n\n"
        f"Commit {results.get('commit') or 'unknown'}; {versions}; {results.get('seconds', '?')} s.\n\n"
        f"Task:\n\n```json\n{task}\n```\n\nTraining:\n\n```json\n{recipe}\n```"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table in Markdown."""
    cells = [[str(cell) for cell in head]]
    cells.append(["---"] * len(cells[0]))
    cells += [[str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def marked(value: Json) -> str:
    """The same, bold where the interval excludes 0."""
    sure = value["mean"] is not None and (value["low"] > 0 or value["high"] < 0)
    return f"**{in_words(value)}**" if sure else in_words(value)


def span(seeds: Any) -> str:
    """First and last."""
    return f"{seeds[0]:,}-{seeds[1]:,}"


if __name__ == "__main__":
    sys.exit(main())
