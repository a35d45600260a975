# Sourced by the suites that run under pytest: sums what several runs of it found.

pytest_passed=0
pytest_failed=0

# run_pytest ENVIRONMENT ARGUMENT...: a skipped test is a failed one, and so is a run that broke off.
run_pytest() {
  local environment=$1 report counts; shift
  report=$(mktemp)
  "$environment/bin/python" -m pytest -q -p no:cacheprovider --durations=5 --tb=short --junitxml "$report" "$@"
  [ $? -eq 5 ] && { rm -f "$report"; return; }  # nothing matched a selection; finish_pytest wants one passed test at least
  counts=$(python3 - "$report" <<'PY'
import sys
import xml.etree.ElementTree
try:
    suites = list(xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testsuite"))
except (OSError, xml.etree.ElementTree.ParseError):
    suites = []
total = sum(int(s.get("tests")) for s in suites)
bad = sum(int(s.get(kind)) for s in suites for kind in ("failures", "errors", "skipped"))
print(max(0, total - bad), bad if total else 1)
PY
  )
  rm -f "$report"
  pytest_passed=$((pytest_passed + ${counts% *}))
  pytest_failed=$((pytest_failed + ${counts#* }))
}

finish_pytest() {
  echo "$pytest_passed passed, $pytest_failed failed"
  [ "$pytest_failed" -eq 0 ] && [ "$pytest_passed" -gt 0 ]
}
