#!/usr/bin/env bash
# LLM Labs in a SageMaker Studio space. README.md beside this file says how to use it, by hand or as a lifecycle configuration.
if grep -q $'\r' "${BASH_SOURCE[0]}"; then echo "setup: this copy of the script has Windows line ends: run \`sed -i 's/\\r\$//' ${BASH_SOURCE[0]}\` and start it again." >&2; exit 1; fi #
# The work is done in the background, one start at a time, and logged. A start that finds all in place changes nothing; one that
# finds half of it completes it. In a terminal, or with --wait, the log is shown until the end; otherwise the script returns at once,
# with status 0 whatever is wrong, because a lifecycle configuration that fails keeps the space from starting.
#
# Settings, from the environment or from lines put above these:
#   LABS_COURSE  where the course comes from: a git address, s3://BUCKET/PREFIX or a folder. Not needed in a checkout.
#   LABS_MODELS  where the models' wheels come from: s3://BUCKET/PREFIX, a folder or an archive. By default the package index.
#   LABS_FOLDER  where the course goes; by default this script's checkout, else ~/llm-labs
#   LABS_PYTHON  the Python to build the environment with; by default the image's
#   PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS  a package mirror, as pip reads them
set -euo pipefail

export HOME="${HOME:-/home/sagemaker-user}"
NEEDED_MB=3500 # free disk for the environment and the models, as tools/bootstrap.py asks for
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ -z "${LABS_FOLDER:-}" ]; then
    LABS_FOLDER="$HOME/llm-labs"
    [ ! -e "$here/../../tools/bootstrap.py" ] || LABS_FOLDER="$(cd "$here/../.." && pwd)"
fi
scratch="${TMPDIR:-/tmp}/llm-labs-setup-$(id -u)" # outside the home, which is small
log="$HOME/llm-labs-setup.log"
export LABS_FOLDER NEEDED_MB scratch log
for name in LABS_COURSE LABS_MODELS LABS_PYTHON LABS_HOME PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS; do
    [ -z "${!name:-}" ] || export "${name?}" # a setting counts, exported or not
done

say() { printf 'setup: %s\n' "$*"; }

refuse() {
    say "$*" >&2
    exit 1
}

free_mb() { df -Pk "$1" | awk 'NR == 2 { print int($4 * 1.024 / 1000) }'; }

# Say what a short disk lacks, before anything is written to it. What a broken-off start left counts as free: it is used or replaced.
check_disk() {
    local mb needed=100 disk="$LABS_FOLDER" # with all in place: to save notebooks
    [ -d "$disk" ] || disk="$(dirname "$disk")"
    mb=$(free_mb "$disk")
    [ -e "$LABS_FOLDER/.venv/llm-labs.json" ] || needed=$NEEDED_MB
    [ "$needed" = 100 ] || [ ! -d "$LABS_FOLDER/.venv" ] || mb=$((mb + $(du -sm "$LABS_FOLDER/.venv" | awk '{ print $1 }')))
    [ "$mb" -ge "$needed" ] ||
        refuse "the disk of $disk has $mb MB free and the course needs $needed MB: free some, or give the space a larger volume, and start it again."
}

copy() { # copy SOURCE FOLDER: an S3 prefix or a folder, without what belongs to one machine
    mkdir -p "$2"
    case "$1" in
        s3://*)
            command -v aws >/dev/null || refuse "the command aws is missing, and $1 cannot be copied without it."
            aws s3 cp --recursive --only-show-errors "${1%/}/" "$2" || refuse "$1 could not be copied: look at the role of the space."
            ;;
        *)
            [ -d "$1" ] || refuse "there is no folder $1."
            tar -C "$1" --exclude=./.venv --exclude=./build --exclude=./work -cf - . | tar -C "$2" -xf -
            ;;
    esac
}

get_course() {
    [ ! -e "$LABS_FOLDER/tools/bootstrap.py" ] || return 0
    [ -n "${LABS_COURSE:-}" ] || refuse "there is no course in $LABS_FOLDER: name in LABS_COURSE where it comes from."
    [ ! -e "$LABS_FOLDER" ] || refuse "$LABS_FOLDER is there and does not hold the course: rename it, or set LABS_FOLDER."
    rm -rf "$LABS_FOLDER.part"
    if [[ "$LABS_COURSE" = s3://* || -d "$LABS_COURSE" && ! -d "$LABS_COURSE/.git" ]]; then
        copy "$LABS_COURSE" "$LABS_FOLDER.part"
    else
        git clone --quiet --depth 1 "$LABS_COURSE" "$LABS_FOLDER.part" || refuse "$LABS_COURSE could not be cloned: check the address and the network."
    fi
    mv "$LABS_FOLDER.part" "$LABS_FOLDER"
    say "the course is in $LABS_FOLDER"
}

# The Python of the environment that is there, else the image's, else one on the PATH; the first that the course supports.
find_python() {
    local python before
    before="$("$LABS_FOLDER/.venv/bin/python" -c 'import sys; print(sys._base_executable)' 2>/dev/null || true)"
    for python in "${LABS_PYTHON:-}" "$before" /opt/conda/bin/python python3.12 python3.11 python3.13 python3; do
        if [ -n "$python" ] && "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    command -v python3 || true # it is too old or too new, which set-up says
}

get_models() { # the words that say where set-up takes the models from
    local cache="${LABS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/llm-labs}" wanted ready
    [[ "${LABS_MODELS:-}" = s3://* ]] || {
        printf '%s' "${LABS_MODELS:-}"
        return
    }
    wanted=$(grep -c '"wheel":' "$LABS_FOLDER/labutils/course/models.json")
    ready=$(find "$cache/models" -maxdepth 2 -name ready.json 2>/dev/null | wc -l)
    [ "$ready" -ge "$wanted" ] || {
        copy "$LABS_MODELS" "$scratch/models" >&2
        printf '%s' "$scratch/models"
    }
}

work() {
    set -euo pipefail
    flock 9 # an earlier start may be at work: wait for its end, then look what is left to do
    local python models labs="$LABS_FOLDER/.venv/bin/labs" began=$SECONDS
    say "$(date -u '+%Y-%m-%d %H:%M UTC') start"
    check_disk
    get_course
    python="$(find_python)"
    [ -n "$python" ] || refuse "there is no Python: set LABS_PYTHON."
    mkdir -p "$scratch"
    models="$(get_models)"
    # pip keeps what it has downloaded outside the home: a second try goes on from there, and the home holds no copy.
    PIP_CACHE_DIR="${PIP_CACHE_DIR:-$scratch/pip}" PYTHONNOUSERSITE=1 TQDM_DISABLE=1 "$python" "$LABS_FOLDER/tools/bootstrap.py" ${models:+--from "$models"} ||
        refuse "not finished: do what the line above says, and start the script or the space again."
    "$labs" start "$LABS_FOLDER/work" --no-open || refuse "not finished: do what the line above says, and start it again."
    "$LABS_FOLDER/.venv/bin/python" -c 'from labutils.course import kernel as k; raise SystemExit(not k.is_ours(k.python_of(k.user_folder())))' ||
        "$labs" kernel --user
    rm -rf "$scratch"
    say "ready after $((SECONDS - began)) s, with $(free_mb "$LABS_FOLDER") MB of disk free: open $LABS_FOLDER/work/00_start_here.ipynb and choose the kernel LLM Labs."
}

touch "$log" 2>/dev/null && [ "$(free_mb "$HOME")" -ge 1 ] || log="${TMPDIR:-/tmp}/llm-labs-setup.log"
shown=$(wc -c 2>/dev/null <"$log" || echo 0)
functions="$(declare -f)"
setsid bash -c "$functions"$'\nexec 9>>"$log" >&9 2>&1 </dev/null\nwork' &
worker=$!
if [ -t 1 ] || [ "${1:-}" = --wait ]; then
    say "at work in the background; this is $log, and Ctrl-C leaves the work going."
    while [ ! -e "$log" ]; do sleep 0.1; done
    tail -c +$((shown + 1)) -f --pid="$worker" "$log" &
    status=0
    wait "$worker" || status=$?
    wait $! || true
    exit "$status"
fi
say "at work in the background; the log is $log."
