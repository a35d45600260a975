"""Rules of the tree that no compiler checks: include direction, front doors, self-contained headers, owned coroutines.

Every rule is a function from a tree (path -> text) to a list of complaints. Each is run on the real tree and must find
nothing, and on a small broken tree and must find the fault: a rule that cannot fail is no rule.
"""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("erasure", "storage", "api", "server")

# Which folders a folder's files may include from, beside its own.
ALLOWED = {
    "erasure": set(),
    "storage/base": set(),
    "storage/io": {"storage/base"},
    "storage/metadata": {"storage/base"},
    "storage/labels": {"storage/base", "storage/metadata"},
    "storage/segment": {"storage/base", "storage/io", "erasure"},
    "storage/dataset": {"storage/base", "storage/metadata", "storage/labels"},
    "storage/upkeep": {"storage/base", "storage/io", "storage/segment", "erasure"},
    "storage": {"storage/base", "storage/io", "storage/metadata", "storage/segment", "storage/upkeep", "storage/dataset",
                "storage/labels", "erasure"},
    # storage/labels: what a label is, a query says and a payload means is one language for both.
    "api": {"storage", "storage/base", "storage/io", "storage/dataset", "storage/labels", "erasure"},
    "server": {"api", "storage", "storage/base", "storage/io", "storage/metadata", "storage/segment",
               "storage/upkeep"},
}
# What outside code may include of a folder. `storage/base` is vocabulary: all of it.
FRONT_DOORS = {
    "erasure": {"erasure/codec.h"},
    "storage/io": {"storage/io/drive.h", "storage/io/buffer.h", "storage/io/patience.h"},
    "storage/metadata": {"storage/metadata/metadata_store.h"},
    "storage/labels": {"storage/labels/label_sources.h", "storage/labels/payload.h", "storage/labels/rows.h",
                       "storage/labels/posting_listener.h", "storage/labels/value.h", "storage/labels/label_set.h",
                       "storage/labels/query.h", "storage/labels/match.h", "storage/labels/bitmap_cache.h",
                       "storage/labels/json_text.h"},
    "storage/segment": {"storage/segment/segment_store.h", "storage/segment/segment_upkeep.h",
                        "storage/segment/drive_set.h", "storage/segment/directory_scan.h"},
    "storage/upkeep": {"storage/upkeep/live_index.h", "storage/upkeep/collector.h", "storage/upkeep/rebuilder.h",
                       "storage/upkeep/scrubber.h", "storage/upkeep/pacer.h",
                       "storage/upkeep/checker.h", "storage/upkeep/live_counters.h",
                       "storage/upkeep/drive_changes.h"},
    "storage/dataset": {"storage/dataset/manifest_row.h", "storage/dataset/order_parameters.h", "storage/dataset/permutation.h",
                        "storage/dataset/draw.h", "storage/dataset/sample_facts.h", "storage/dataset/sample_name.h",
                        "storage/dataset/selection.h", "storage/dataset/splits.h", "storage/dataset/tar_format.h"},
    "storage": {"storage/object_store.h", "storage/sealed_dataset.h"},
    "api": {"api/service.h", "api/user_registry.h", "api/events/event_queue.h"},
}
# The file that wires the concrete classes sees them (house rule: one place).
WIRING = {"server/store_node.cpp": {"storage/metadata/mirror_store.h", "storage/metadata/rocks_engine.h",
                                    "storage/segment_catalog.h"}}
# Other exceptions, each with its reason.
EXCEPTIONS = {
    ("api", "erasure/codec.h"): "the S3 checksums CRC32, CRC32C and CRC64NVME are the same functions as the drives'",
}


def folder_of(path):
    parts = path.split("/")
    if parts[0] == "storage" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def includes(text):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M)


def include_direction(tree):
    complaints = []
    for path, text in tree.items():
        home = folder_of(path)
        if home not in ALLOWED:
            continue
        for header in includes(text):
            target = folder_of(header)
            if target == home or header.endswith(".pb.h"):
                continue
            if target in PRODUCT or target in ALLOWED:
                if target not in ALLOWED[home]:
                    complaints.append(f"{path} includes {header}: {home} may not know {target}")
            elif target == "tests":
                complaints.append(f"{path} includes {header}: product code has no hooks for tests")
    return complaints


def front_doors(tree):
    complaints = []
    for path, text in tree.items():
        home = folder_of(path)
        if home not in ALLOWED:
            continue
        for header in includes(text):
            target = folder_of(header)
            if target == home or target not in FRONT_DOORS or header.endswith(".pb.h"):
                continue
            if header in FRONT_DOORS[target] or header in WIRING.get(path, ()) or (home, header) in EXCEPTIONS:
                continue
            complaints.append(f"{path} includes {header}, which is no front door of {target}")
    return complaints


def owned_coroutines(tree):
    """Every coroutine has an owner: nothing is detached, and no lambda with captures is a coroutine."""
    complaints = []
    for path, text in tree.items():
        if not path.startswith(PRODUCT):
            continue
        code = re.sub(r"//[^\n]*", "", text)
        if re.search(r"\bdetached\b", code):
            complaints.append(f"{path} detaches a coroutine")
        if re.search(r"\[[^\]\n]+\]\s*\([^)]*\)\s*(mutable\s*)?->\s*(storage::)?Task<", code):
            complaints.append(f"{path} has a lambda coroutine with captures, which die before it ends")
    return complaints


def beast_in_server_only(tree):
    return [f"{path} includes Beast, which is server's" for path, text in tree.items()
            if path.startswith(("erasure/", "storage/", "api/")) and "boost/beast" in text]


def liburing_in_io_only(tree):
    return [f"{path} includes liburing, which is storage/io's" for path, text in tree.items()
            if path.startswith(PRODUCT) and not path.startswith("storage/io/") and "liburing.h" in text]


def no_forbidden_names(tree):
    bad = re.compile(r"(?:^|[/_])(util|utils|helper|helpers|manager|common|misc|impl)(?:[_.]|$)")
    return [f"{path}: a file is named after a concept, not {bad.search(path).group(1)}"
            for path in tree if path.startswith(PRODUCT) and bad.search(path)]


def human_size(tree):
    return [f"{path} has {text.count(chr(10))} lines, more than 1,000" for path, text in tree.items()
            if path.startswith(PRODUCT) and text.count("\n") > 1000]


def folder_readmes(tree):
    folders = {folder_of(path) for path in tree if path.startswith(PRODUCT)} | {"tests", "benchmarks", "docker"}
    return [f"{folder}/README.md is missing" for folder in sorted(folders)
            if not os.path.exists(os.path.join(ROOT, folder, "README.md")) and f"{folder}/README.md" not in tree]


RULES = [
    (include_direction, {"storage/segment/a.cpp": '#include "storage/metadata/metadata_store.h"\n'}),
    (include_direction, {"storage/io/a.cpp": '#include "tests/support/run_task.h"\n'}),
    (front_doors, {"api/a.cpp": '#include "storage/io/ring.h"\n'}),
    (owned_coroutines, {"server/a.cpp": "asio::co_spawn(x, f(), asio::detached);\n"}),
    (owned_coroutines, {"api/a.cpp": "auto f = [this](int n) -> Task<> { co_return; };\n"}),
    (beast_in_server_only, {"api/a.cpp": "#include <boost/beast/http.hpp>\n"}),
    (liburing_in_io_only, {"storage/segment/a.cpp": "#include <liburing.h>\n"}),
    (no_forbidden_names, {"storage/base/string_util.h": ""}),
    (human_size, {"api/a.cpp": "\n" * 1001}),
    (folder_readmes, {"storage/nowhere/a.cpp": ""}),
]


def read_tree():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.cpp", "*.h"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout.split()
    tree = {}
    for path in listed:
        if os.path.exists(os.path.join(ROOT, path)):
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                tree[path] = file.read()
    return tree


def compiles_alone(header, text=None):
    """A header that includes what it names: compiled by itself, syntax only. The generated records are on the path."""
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
        source.write(text if text is not None else f'#include "{header}"\n#include "{header}"\n')
        source.flush()
        command = ["clang++-19", "-std=c++20", "-fsyntax-only", "-I", ROOT, "-I", os.path.join(ROOT, "build/release/generated"),
                   "-DBOOST_ASIO_SEPARATE_COMPILATION", "-DBOOST_ASIO_NO_DEPRECATED", "-DBOOST_BEAST_USE_STD_STRING_VIEW",
                   "-DFMT_SHARED", source.name]
        return subprocess.run(["ccache"] + command[:1] + command[1:], capture_output=True, text=True).returncode == 0


def main():
    tree = read_tree()
    passed = failed = 0

    def verdict(name, complaints):
        nonlocal passed, failed
        if complaints:
            failed += 1
            print(f"FAILED {name}")
            for complaint in complaints:
                print("  " + complaint)
        else:
            passed += 1

    for rule in dict.fromkeys(rule for rule, _ in RULES):
        verdict(rule.__name__, rule(tree))
    for rule, broken in RULES:
        verdict(f"{rule.__name__} notices its fault", [] if rule(broken) else ["it found nothing in a broken tree"])

    headers = [path for path in tree if path.startswith(PRODUCT) and path.endswith(".h") and "precompiled" not in path]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compiles_alone, headers))
    for header, sound in zip(headers, results):
        verdict(f"{header} is self-contained", [] if sound else ["it does not compile alone"])
    verdict("the header check notices its fault",
            ["a header with an unknown name compiled"] if compiles_alone("", "std::vector<int> numbers;\n") else [])

    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
