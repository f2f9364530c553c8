"""Results → docs/developers/performance.md (what stands between its marks) and the plot beside it."""

from __future__ import annotations

from math import log10
from pathlib import Path
from typing import Any

from benchmarks.workload import SIZES

PLOT = "![CPU of one request by resources](performance.svg)"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
WIDTH, HEIGHT, LEFT, TOP = 720, 420, 60, 30
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee", "#777777")


def write_page(results: dict[str, Any], folder: Path | None) -> None:
    """Print the tables; with a folder, put them and the plot into it."""
    text = _text(results)
    print(text)
    if folder is None:
        return
    page = folder / "performance.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")
    (folder / "performance.svg").write_text(_plot(results))


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(results: dict[str, Any]) -> str:
    rooms, http = results["rooms"], results["http"]
    parts = [PLOT, f"Run: {results['machine']}."]
    parts.append("In process, CPU ms (best of three interleaved rounds; in brackets the spread of the rounds):")
    rows = [
        [name, *(f"{rooms[str(size)][name][0]:.2f} ({rooms[str(size)][name][1]:.0f} %)" for size in SIZES)]
        for name in rooms["50"]
    ]
    sizes = [str(size) for size in SIZES]
    rows += [
        [f"cql-execution, {style}", *(f"{best[size]:.1f}" for size in sizes)] for style, best in results["cql"].items()
    ]
    parts.append(table(["", *(f"{size} resources" for size in SIZES)], rows))
    grown = [[kind, "; ".join(f"{n}: {ms:.2f}" for n, ms in by.items())] for kind, by in results["growth"].items()]
    parts += ["Growth, CPU ms:", table(["in", "number: ms"], grown)]
    parts.append("Over HTTP (CPU and latencies in ms; MB of the largest process):")
    cells = [
        [name, *cell.split("/"), f"{got['rps']:.0f}", f"{got['cpu']:.2f}", f"{got['p50']:.2f}", f"{got['p99']:.2f}",
         f"{got['worst']:.2f}", f"{got['mb']:.0f}"]
        for name, by in http.items()
        for cell, got in by.items()
    ]  # fmt: skip
    head = ["server", "resources", "connections", "requests/s", "CPU", "p50", "p99", "worst", "MB"]
    parts.append(table(head, cells))
    parts.append(table(["memory and start", ""], [[name, f"{value:.1f}"] for name, value in results["memory"].items()]))
    parts.append(table(["target", "asked", "reached"], targets(results)))
    parts += [f"Skipped: {what}." for what in results["skipped"]]
    return "\n\n".join(parts)


def population_rows(population: dict[str, float]) -> list[list[str]]:
    """Each way to go through the population: CPU ms of a patient, patients a CPU second, and against reading alone."""
    read = population["read and json.loads"]
    return [
        [name, f"{ms:.2f}", f"{1000 / ms:,.0f}", f"{ms / read:.2f}"]
        for name, ms in population.items()
        if name != "resources of a patient"
    ]


def targets(results: dict[str, Any]) -> list[list[str]]:
    """Each target as a ratio inside this run: what was asked, what was reached."""
    rooms, http, growth, memory = (results[key] for key in ("rooms", "http", "growth", "memory"))
    whole = {size: rooms[str(size)]["workload: whole"][0] for size in SIZES}
    ours, chain = (http.get(name, {}) for name in ("service", "HealthChain"))

    def told(value: float, limit: float, sign: str) -> str:
        met = value <= limit if sign == "≤" else value >= limit
        return f"{value:.{'0f' if value >= 100 else '2g'}}{'' if met else ' **missed**'}"

    def each(asked: tuple[float, ...], reached: list[float], sign: str) -> tuple[str, str]:
        return (
            " / ".join(f"{sign} {limit:g}" for limit in asked),
            " / ".join(told(value, limit, sign) for value, limit in zip(reached, asked, strict=False)),
        )

    def ratio(size: int, connections: int, over: str) -> float:
        cell = ours[f"{size}/{connections}"]
        return float(cell[over] / cell["p50"])

    rows = [
        ["1: p99, times p50, at 8 connections, 50 / 500", *each((2, 2), [ratio(n, 8, "p99") for n in (50, 500)], "≤")],
        [
            "1: worst, times p50, at 1 connection, 50 / 500",
            *each((4, 4), [ratio(n, 1, "worst") for n in (50, 500)], "≤"),
        ],
    ]
    if small := http.get("service, small of mixed"):
        rows.append(
            ["1: p99 of small ones of a mixed load, 8 connections, ms", *each((60,), [small["50/8"]["p99"]], "≤")]
        )
    if chain:
        cpu = [ours[f"50/{n}"]["cpu"] / chain[f"50/{n}"]["cpu"] for n in (1, 8)]
        rows.append(["2: CPU at 50, times HealthChain's, at 1 / 8 connections", *each((1.8, 1.1), cpu, "≤")])
    if shipped := http.get("service, shipped rules"):
        more = shipped["50/1"]["cpu"] / ours["50/1"]["cpu"]
        rows.append(["2: CPU at 50, shipped rules, times the workload's", *each((1.24,), [more], "≤")])
    if chain:
        at = [size for size in (500, 5000) if f"{size}/8" in chain]
        faster = [ours[f"{size}/8"]["rps"] / chain[f"{size}/8"]["rps"] for size in at]
        rows.append(["3: throughput, times HealthChain's, at 500 / 5,000", *each((2.5, 4), faster, "≥")])
    loads = [whole[size] / rooms[str(size)]["orjson.loads"][0] for size in SIZES]
    rows.append(["4: bytes to cards, times `orjson.loads`, at 50 / 500 / 5,000", *each((12, 3.2, 0.6), loads, "≤")])
    grown = memory["after 5,000 resources on 64 connections, MB"] / memory["idle, MB"]
    rows.append(["5: memory after 5,000 resources on 64 connections, times idle", *each((2,), [grown], "≤")])
    over_many = [value for name, value in memory.items() if name.endswith("requests, MB")]
    if over_many:
        rows.append(
            ["5: memory after 100,000 requests, times after 10,000", *each((1.1,), [over_many[-1] / over_many[0]], "≤")]
        )
    rows.append(["5: MB idle", *each((100,), [memory["idle, MB"]], "≤")])
    rows.append(["5: first answer, s", *each((1.0,), [memory["first answer, seconds"]], "≤")])
    population = results["population"]
    if population:
        read = population["read and json.loads"]
        rows.append(["population 2: grouping, times reading", *each((1,), [population["grouping"] / read], "≤")])
        whole_run = population["run, shipped rules"] / read
        rows.append(["population 3: run by shipped rules, times reading", *each((6.5,), [whole_run], "≤")])
    for style, times in (("tuned", 4.0), ("idiomatic", 35.0)):
        if (name := f"cql-execution, {style}") in population:
            faster = population[name] / population["decide, workload rules"]
            rows.append([f"population 4: deciding, times faster than {name}", *each((times,), [faster], "≥")])
    rules = growth["rules"]["500"] / growth["rules"]["20"]
    rows.append(["6: CPU, 500 rules against 20", *each((1.3,), [rules], "≤")])
    rows.append(["6: CPU, 5,000 resources against 500", *each((9,), [whole[5000] / whole[500]], "≤")])
    return rows


def _plot(results: dict[str, Any]) -> str:
    """CPU of one request by resources, both axes logarithmic."""
    rooms, http = results["rooms"], results["http"]
    lines = {
        "orjson.loads": [rooms[str(size)]["orjson.loads"][0] for size in SIZES],
        "decided, in process": [rooms[str(size)]["workload: whole"][0] for size in SIZES],
        "decided, shipped rules": [rooms[str(size)]["shipped: whole"][0] for size in SIZES],
    }
    lines |= {f"cql-execution, {style}": [best[str(n)] for n in SIZES] for style, best in results["cql"].items()}
    for name in ("FastAPI, constant card", "HealthChain"):
        if name in http and all(f"{size}/1" in http[name] for size in SIZES):
            lines[f"{name} (HTTP)"] = [http[name][f"{size}/1"]["cpu"] for size in SIZES]
    low, high = (edge(value for line in lines.values() for value in line) for edge in (min, max))
    bottom, top = int(log10(low)) - 1, int(log10(high)) + 1

    def x(size: float) -> float:
        return LEFT + (log10(size) - log10(50)) / 2 * (WIDTH - LEFT - 220)

    def y(ms: float) -> float:
        return HEIGHT - 40 - (log10(ms) - bottom) / (top - bottom) * (HEIGHT - 40 - TOP)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">CPU milliseconds of one request, by FHIR resources in it</text>',
    ]
    for power in range(bottom, top + 1):
        drawn.append(
            f'<line x1="{LEFT}" x2="{x(5000)}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}" stroke="#ddd"/>'
        )
        drawn.append(f'<text x="{LEFT - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    drawn += [f'<text x="{x(n):.1f}" y="{HEIGHT - 20}" text-anchor="middle">{n}</text>' for n in SIZES]
    for index, (name, values) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(f"{x(n):.1f},{y(ms):.1f}" for n, ms in zip(SIZES, values, strict=True))
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn.append(f'<text x="{x(5000) + 8:.1f}" y="{TOP + 40 + 18 * index}" fill="{colour}">{name}</text>')
    return "\n".join([*drawn, "</svg>", ""])
