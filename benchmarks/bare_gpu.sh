#!/usr/bin/env bash
# Papers' cells on a GPU machine that has JAX but no network, no TensorFlow and no dask: functions to
# source there, one after the other, in a copy of the project.
#
#   here:   bash benchmarks/bare_gpu.sh pack DATA_DIR NAME ...     wheels, data and the commit, into .gpu/
#   there:  source benchmarks/bare_gpu.sh; prepare && unpack .gpu/*.sheets; launch 800 6 akula
#           launch 800 4 guruswamy -p datasets fashion_mnist
#           sleep 120; state akula guruswamy; collect OUT akula guruswamy
#   here:   python -m dagen_keras merge --profile overnight OUT/chen_liu.jsonl
#
# What one H200 with 16 cores taught (10 minutes, two papers, 8 workers each, MPS): 93 cells of
# garay_maestre and 35 of chen_liu. The processors were the limit (load 45 to 80, GPU 5 to 70 % busy).
# In the first three minutes all workers compiled the same graphs: a cell of 50 s took up to 290 s.
# Of 16 processes that start at once 3 got no GPU: the first cell of each failed, and JAX went on with
# the CPU in silence (`device` in the ledger says so; JAX_PLATFORMS now makes it an error). Fewer
# workers, and the same command once more.
# What ten more minutes taught (akula with 16 workers, guruswamy with 6): not one cell was finished, with
# the GPU 100 % busy and a load of 5. Every process first trains its own judges, 7,000 updates in akula,
# and a pilot of guruswamy is 16,000: the workers share one GPU. They also ran with
# --xla_gpu_autotune_level=0, which may have chosen slow convolutions; which of the two it was is not
# known. So: convolutions with few workers, cells of a minute first, and a look at the ledger after two.
set -uo pipefail
t=${TMPDIR:-/tmp}/dagen_gpu

pack() {  # pack DATA_DIR NAME ...: needs the project's environment
    mkdir -p .gpu
    local wheels="keras optree namex imbalanced-learn sklearn-compat distributed dask locket partd tblib tornado zict
        pydantic pydantic-core annotated-types typing-inspection typing-extensions filelock jinja2" name version
    for name in $wheels; do
        version=$(pip show "$name" 2> /dev/null | sed -n 's/^Version: /==/p')
        pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
            --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
            --platform manylinux2014_x86_64 --platform any -d .gpu "$name$version" || return 1
    done
    for name in "${@:2}"; do python benchmarks/sheets.py "$1" "$name" ".gpu/$name.sheets" || return 1; done
    # The commit and its trees: enough for `git status` to say whether the copy is clean.
    git rev-parse HEAD > .gpu/head
    { cat .gpu/head; git rev-list --objects --no-walk HEAD | cut -d' ' -f1 | git cat-file --batch-check | awk '$2 == "tree" {print $1}'; } |
        git pack-objects -q --stdout > .gpu/trees.pack
}

settle() {  # The environment; again in every new shell.
    cd "$t/source" || return 1
    export PYTHONPATH=$t/site:$t/source KERAS_BACKEND=jax JAX_PLATFORMS=cuda,cpu DAGEN_DATA_DIR=$t/data PYTHONUNBUFFERED=1
    export XLA_PYTHON_CLIENT_PREALLOCATE=false JAX_DEFAULT_MATMUL_PRECISION=float32 JAX_COMPILATION_CACHE_DIR=$t/compiled
    export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
    export CUDA_MPS_PIPE_DIRECTORY=$t/mps CUDA_MPS_LOG_DIRECTORY=$t/mps_log
}

prepare() {
    mkdir -p "$t/data" "$t/results"
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$t/site" .gpu/*.whl || return 1
    cp -r . "$t/source" && cp -r results/overnight "$t/results/" 2> /dev/null
    cd "$t/source" || return 1
    if [ ! -d .git ]; then
        git init -q . && git unpack-objects -q < .gpu/trees.pack && git update-ref HEAD "$(cat .gpu/head)" &&
            git read-tree HEAD && mkdir -p .git/info && echo /.gpu/ >> .git/info/exclude
    fi
    settle
    mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY"
    if ! { command -v nvidia-cuda-mps-control && setsid nvidia-cuda-mps-control -d; }; then
        rm -r "$CUDA_MPS_PIPE_DIRECTORY"; unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
    fi
    python3 -c "import jax, dagen_keras.runs.code as c; print(jax.devices(), c.identity())"
}

unpack() {  # unpack SHEETS ...
    local file
    for file in "$@"; do python3 benchmarks/sheets.py "$file" "$t/data/$(basename "$file" .sheets).npz" || return 1; done
}

launch() {  # launch SECONDS WORKERS KEY [-p NAME VALUE ...]
    setsid timeout -s INT "$1" python3 -m dagen_keras run "${@:3}" --profile overnight --results "$t/results" \
        --cluster local --workers "$2" > "$t/$3.log" 2>&1 &
}

state() {
    local key
    nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader
    uptime
    for key in "$@"; do
        echo "$key: $(wc -l < "$t/results/overnight/$key/runs.jsonl") lines," \
            "$(grep -c '"status": "failed"' "$t/results/overnight/$key/runs.jsonl") failed," \
            "$(grep -c '"backend": "jax", .*"device": "CPU\|"device": "CPU.*"backend": "jax"' "$t/results/overnight/$key/runs.jsonl") on the CPU"
    done
}

collect() {  # collect DIRECTORY KEY ...
    local key
    for key in "${@:2}"; do cp "$t/results/overnight/$key/runs.jsonl" "$1/$key.jsonl"; done
}

[ "${1:-}" = pack ] && pack "${@:2}"
true
