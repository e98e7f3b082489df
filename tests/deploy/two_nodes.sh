#!/bin/bash
# Two machines of a Slurm job, as namespaces of this one: each has processes and a network of its own,
# and nothing outlives the namespace that this runs in.
#     unshare --user --map-root-user --net --mount --pid --fork --kill-child --mount-proc \
#         two_nodes.sh FOLDER COMMAND...
# FOLDER is for scratch. COMMAND finds `srun` and `scontrol`, which know these two nodes.
set -euo pipefail
folder=$1
shift

mount -t tmpfs none /run
mkdir -p /run/netns "$folder/bin"
ip netns add one
ip netns add two
ip link add veth-1 netns one type veth peer name veth-2 netns two
ip -n one addr add 10.77.0.1/24 dev veth-1
ip -n two addr add 10.77.0.2/24 dev veth-2
for node in one two; do
    ip -n "$node" link set lo up
    ip -n "$node" link set "veth-$([ $node = one ] && echo 1 || echo 2)" up
done

cat >"$folder/bin/scontrol" <<'SCONTROL'
#!/bin/bash
printf '10.77.0.1\n10.77.0.2\n'
SCONTROL
cat >"$folder/bin/srun" <<'SRUN'
#!/bin/bash
# Runs the command on both nodes at once, below a shell that reaps as init does; the highest exit
# code is its own.
while [[ $1 == --* ]]; do shift; done
tasks=()
for node in one two; do
    RAY_TMPDIR="$RAY_TMPDIR-$node" ip netns exec "$node" \
        unshare --pid --fork --kill-child --mount-proc bash -c '"$@"; exit $?' init "$@" &
    tasks+=($!)
done
highest=0
for task in "${tasks[@]}"; do
    wait "$task" || { code=$?; highest=$((code > highest ? code : highest)); }
done
exit "$highest"
SRUN
chmod +x "$folder/bin/"*

export PATH="$folder/bin:$PATH" RAY_TMPDIR="$folder/ray"
export SLURM_JOB_ID=1234567 SLURM_JOB_NODELIST='node[1-2]' SLURM_JOB_NUM_NODES=2 SLURM_CPUS_PER_TASK=1
exec "$@"
