"""What was measured: a line each as it comes, and docs/benchmarks.md."""
import os, platform, subprocess, time

from measure.processes import ROOT

FILE = os.path.join(ROOT, "docs/benchmarks.md")
MARK = "<!-- `make bench` writes everything below this line -->\n"


class Report:
    def __init__(self, quick, rounds):
        self.is_quick = quick
        self.rounds = rounds
        self.rows = []

    def add(self, name, target, value, note="", how=""):
        """how: the commands or options it came from."""
        self.rows.append((name, target, value, note, f"`{how}`" if how else ""))
        print(f"{name}\n    target {target}   measured {value}   {note}\n    {how}", flush=True)

    def failed(self, step, why):
        self.rows.append((f"step `{step}`", "", "**not measured**", why, ""))

    def write(self):
        """Replaces what stands below the mark."""
        cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE).stdout.decode().strip()
        text = open(FILE).read().split(MARK)[0]
        out = [f"`make bench`, {time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores ({cpu}), Linux {platform.release().split('-')[0]}, "
               f"medians of {self.rounds} round(s).", "", "| what | target | measured | beside it | how |", "|---|---|---|---|---|"]
        out += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in self.rows]
        open(FILE, "w").write(text + MARK + "\n" + "\n".join(out) + "\n")
