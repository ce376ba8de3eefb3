#!/bin/sh
# start.sh COMMAND...: make a learner's home ready, then become the command, which is the learner's server.
#
# The shared models are linked into the home, and the notebooks that are not there yet are copied to ~/work. What is there stays as it is.
# A fault here must not keep the server from starting, so it is written to a log.
models="${LLM_LABS_MODELS:-/srv/llm-labs/models}"
cache="${LABS_HOME:-$HOME/.cache/llm-labs}"
mkdir -p "$cache"
if [ ! -e "$cache/models" ]; then
    rm -f "$cache/models" # a link into nowhere
    ln -s "$models" "$cache/models"
fi
"${LLM_LABS_BIN:+$LLM_LABS_BIN/}labs" start "$HOME/work" --no-open >"$cache/start.log" 2>&1 || echo "llm-labs: see $cache/start.log" >&2
exec "$@"
