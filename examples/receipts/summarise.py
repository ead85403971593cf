"""Adds up the receipts of this folder by month and shop, and writes summary.md."""
import collections, csv, pathlib, platform

totals = collections.defaultdict(lambda: collections.defaultdict(float))
for path in sorted(pathlib.Path(".").glob("20*.csv")):
    for row in csv.DictReader(path.open()):
        totals[path.stem][row["shop"]] += float(row["amount"])

lines = ["# Receipts", ""]
for month, shops in totals.items():
    lines += [f"## {month}: {sum(shops.values()):.2f}", ""]
    lines += [f"- {shop}: {amount:.2f}" for shop, amount in sorted(shops.items(), key=lambda item: -item[1])]
    lines += [""]
pathlib.Path("summary.md").write_text("\n".join(lines))
print(f"read {len(totals)} months on {platform.node()}, kernel {platform.release()}; wrote summary.md")
