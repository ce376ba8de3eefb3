#!/usr/bin/env bash
# The entry point of a SageMaker training job: install the course from the input channel `course`, then run the command that
# `torchrun ... -m labutils.tuning.launch` runs anywhere else. Every host runs this script; its arguments go to the command.
#
# Settings: PYTHON (the interpreter), INSTALL=no (the image holds the course's packages already), LABS_MODEL and LABS_DIALOGUES as
# everywhere, ML_ROOT (in place of /opt/ml), MASTER_PORT.
set -euo pipefail

export ML_ROOT="${ML_ROOT:-/opt/ml}"
PYTHON="${PYTHON:-python}"
CHANNELS="$ML_ROOT/input/data"
COURSE="$CHANNELS/course"
export LABS_HOME="${LABS_HOME:-/tmp/llm-labs}"
export LABS_PROGRESS=0 # a log file is no place for a progress bar

if [ "${INSTALL:-yes}" = yes ]; then
    copy="$(mktemp -d)" # the channel may be read-only
    cp -R "$COURSE/." "$copy"
    COURSE="$copy"
    "$PYTHON" -m pip install --quiet --constraint "$COURSE/requirements.lock" --editable "$COURSE"
fi
cd "$COURSE"

if [ -z "${LABS_MODEL:-}" ]; then
    if [ -d "$CHANNELS/models" ]; then
        "$PYTHON" -m labutils.cli fetch --from "$CHANNELS/models"
    else
        "$PYTHON" -m labutils.cli fetch
    fi
fi

# How many hosts there are, which one this is, the name of the first, and the network between them. SageMaker writes all that into
# a file; its training toolkit, which this entry point does without, puts it into SM_ variables as well.
topology="$("$PYTHON" - <<'EOF'
import json
import os

if "SM_HOSTS" in os.environ:
    hosts, this = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
    network = os.environ.get("SM_NETWORK_INTERFACE_NAME", "eth0")
else:
    with open(os.environ["ML_ROOT"] + "/input/config/resourceconfig.json", encoding="utf-8") as file:
        found = json.load(file)
    hosts, this, network = found["hosts"], found["current_host"], found.get("network_interface_name", "eth0")
hosts.sort()
print(len(hosts), hosts.index(this), hosts[0] if len(hosts) > 1 else "127.0.0.1", network)
EOF
)"
read -r nodes node first network <<<"$topology"
if [ "$nodes" -gt 1 ]; then
    export NCCL_SOCKET_IFNAME="$network" GLOO_SOCKET_IFNAME="$network"
fi

gpus="${SM_NUM_GPUS:-$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)}"
processes=$((gpus > 0 ? gpus : 1))

exec "$PYTHON" -m torch.distributed.run \
    --nnodes "$nodes" --node-rank "$node" --nproc-per-node "$processes" \
    --master-addr "$first" --master-port "${MASTER_PORT:-29500}" \
    -m labutils.tuning.launch --out "$ML_ROOT/model" "$@"
