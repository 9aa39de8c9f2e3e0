"""table.py table|json: from the turns on the standard input (run.sh) to what is printed."""

import json
import statistics
import sys

from shapes import needs


def edges(turn):
    """Seconds from the end of the last task that a task needs to its start."""
    times = turn.get("times", [])
    if not times:
        return []
    return [
        times[task][0] - max(times[upstream][1] for upstream in upstreams)
        for task, upstreams in enumerate(needs(turn["shape"]))
        if upstreams
    ]


def quantile(values, part):
    return sorted(values)[int(part * (len(values) - 1))] if values else None


def figure(turns):
    """The medians of some turns of one engine."""
    all_edges = [edges(turn) for turn in turns]

    def median(values):
        values = [value for value in values if value is not None]
        return statistics.median(values) if values else None

    return {
        "tasks_per_second": median([turn["tasks"] / turn["seconds"] for turn in turns]),
        "cpu_ms_per_task": median([1000 * turn["cpu_seconds"] / turn["tasks"] for turn in turns]),
        "edge_p50_ms": median([ms(quantile(e, 0.5)) for e in all_edges]),
        "edge_p99_ms": median([ms(quantile(e, 0.99)) for e in all_edges]),
        "processes": max(turn["processes"] for turn in turns),
        "turns": len(turns),
    }


def ms(seconds):
    return None if seconds is None else seconds * 1000


def compare(turns):
    """One row for each peer and shape, with Penstock's two figures beside it."""
    rows = []
    for peer, shape in dict.fromkeys((turn["peer"], turn["shape"]) for turn in turns):
        here = [turn for turn in turns if (turn["peer"], turn["shape"]) == (peer, shape)]
        theirs = [turn for turn in here if turn["engine"] == peer]
        if not theirs:
            continue
        row = {key: theirs[0][key] for key in ("peer", "version", "shape", "runs_in", "settings")}
        row["theirs"] = figure(theirs)
        for runs_in in ("in-process", "process"):
            row[f"penstock {runs_in}"] = figure(
                [t for t in here if t["engine"] == "penstock" and t["runs_in"] == runs_in]
            )
        ours = row[f"penstock {row['runs_in']}"]
        row["times_faster"] = ours["tasks_per_second"] / row["theirs"]["tasks_per_second"]
        row["times_less_cpu"] = row["theirs"]["cpu_ms_per_task"] / ours["cpu_ms_per_task"]
        rows.append(row)
    return rows


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cell(figures):
    text = f"{number(figures['tasks_per_second'])}; {number(figures['cpu_ms_per_task'])} ms"
    if figures["edge_p50_ms"] is not None:
        text += f"; {number(figures['edge_p50_ms'])} / {number(figures['edge_p99_ms'])} ms"
    return text


HEADS = (
    "peer",
    "shape",
    "turns",
    "a task runs",
    "processes",
    "the peer",
    "Penstock in-process",
    "Penstock process",
    "same isolation: rate, CPU",
)


def print_table(rows):
    print(
        "tasks/s; processor time per task, PostgreSQL's too; edge p50 / p99 where there are edges."
    )
    print()
    print("|", " | ".join(HEADS), "|")
    print("|", " | ".join(["---"] * len(HEADS)), "|")
    for row in rows:
        cells = (
            f"{row['peer']} {row['version']}",
            row["shape"],
            str(row["theirs"]["turns"]),
            row["runs_in"],
            str(row["theirs"]["processes"]),
            cell(row["theirs"]),
            cell(row["penstock in-process"]),
            cell(row["penstock process"]),
            f"{number(row['times_faster'])}, {number(row['times_less_cpu'])}",
        )
        print("|", " | ".join(cells), "|")
    print()
    for peer, settings in dict.fromkeys((row["peer"], row["settings"]) for row in rows):
        print(f"* {peer}: {settings}")


def main():
    rows = compare([json.loads(line) for line in sys.stdin])
    if sys.argv[1] == "json":
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows)


main()
