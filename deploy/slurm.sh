#!/bin/bash
# One Ray cluster over the nodes of a Slurm job, and a study on it:
#     sbatch --nodes=4 deploy/slurm.sh studies/q2c_low_data.py --quick
# What follows the script goes to `qkd-study run`. The environment (see docs/cluster.md) must be
# active when you call sbatch, and it, this folder and OUT must be seen by all nodes.
#SBATCH --job-name=qkd-study
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --exclusive
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: sbatch --nodes=N slurm.sh STUDY.py [options of qkd-study run]" >&2
    exit 2
fi
out=${OUT:-results}
port=${PORT:-$((20000 + SLURM_JOB_ID % 10000))}
cpus=${SLURM_CPUS_PER_TASK:-1}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}

# A token for this job alone, that other users of the nodes cannot read.
umask 077
token=$(mktemp "${TOKENS:-$HOME}/.qkd-study-token.XXXXXX")
trap 'rm -f "$token" "$token.code"' EXIT
od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token RAY_USAGE_STATS_ENABLED=0
# As many nodes as were asked for must be there before the study starts; waiting is longer here.
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=${WAIT:-120}
# A short path on each node's own disk: Ray's sockets are in it.
export RAY_TMPDIR=${RAY_TMPDIR:-/tmp/qkd-$SLURM_JOB_ID}
# When the head is gone the others should end soon, not after a minute.
export RAY_gcs_rpc_server_reconnect_timeout_s=20
unset RAY_ADDRESS

# `ray symmetric-run` may end with 1 after a study that went well, when its Ray ends before it: the
# study's own exit code counts.
# shellcheck disable=SC2016
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
    ray symmetric-run \
    --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus="$cpus" -- \
    bash -c '"${@:2}"; echo $? >"$1"' study "$token.code" \
    qkd-study run "$@" --address "$head:$port" --out "$out" || true
if [ ! -s "$token.code" ]; then
    echo "slurm.sh: the study did not end: see above" >&2
    exit 1
fi
exit "$(cat "$token.code")"
