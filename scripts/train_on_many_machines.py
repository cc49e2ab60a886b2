"""Train a VAE on several machines, or on several processes of one, with the result of one process.

On one machine, to try it::

    python scripts/train_on_many_machines.py --local 2 --data digits --steps 200 --checkpoint run.npz

On a cluster, on each machine with its own number, the same list of addresses and the same other arguments::

    python scripts/train_on_many_machines.py --workers 10.0.0.1:2222,10.0.0.2:2222 --task 0 \\
        --data animals --steps 2000 --global-batch 256 --checkpoint run.npz

The first address is worker 0: it keeps the checkpoint, on its own disk. Each worker must reach every address.
After a worker was lost, start all again with the same arguments: training goes on from the checkpoint and
ends with the weights of a run that was never cut. With GPUs, one worker for each, ``--gpu`` says which.
"""

from __future__ import annotations

import argparse
import sys

from aigc_lab.train.distributed import Job, WorkerError, run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--local", type=int, metavar="COUNT", help="so many workers on this machine")
    where.add_argument("--workers", help="the address host:port of every worker, with commas between")
    parser.add_argument("--task", type=int, help="the place of this machine's worker in --workers, from 0")
    parser.add_argument("--gpu", default="", help="number of the GPU of this machine's worker; else the CPU")
    parser.add_argument("--data", default="digits", help="a name of collect.load, or an .npz file with x")
    parser.add_argument("--items", type=int, default=0, help="so many items of it; 0: all")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--global-batch", type=int, default=64, help="items of a step, all workers together")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--latent-size", type=int, default=10)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--reports", type=int, default=10, help="so many lines, and writings of the checkpoint"
    )
    parser.add_argument("--checkpoint", help="a file on the machine of worker 0")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a worker")
    chosen = parser.parse_args(arguments)
    if chosen.workers and chosen.task is None:
        parser.error("--workers needs --task: which of the addresses is this machine's, from 0")
    job = Job(
        chosen.data,
        options={"latent_size": chosen.latent_size, "width": chosen.width},
        steps=chosen.steps,
        batch_size=chosen.global_batch,
        learning_rate=chosen.learning_rate,
        seed=chosen.seed,
        reports=chosen.reports,
        items=chosen.items,
        checkpoint=chosen.checkpoint,
    )
    workers = chosen.local if chosen.workers is None else chosen.workers.split(",")
    tasks = None if chosen.task is None else [chosen.task]
    try:
        outcome = run(
            job,
            workers,
            tasks,
            patience=chosen.patience,
            gpu=chosen.gpu,
            say=lambda line: print(line, flush=True),
        )
    except (ValueError, OSError, WorkerError, FloatingPointError) as error:
        print(getattr(error, "strerror", None) or error, file=sys.stderr)
        return 1
    last = outcome.table.iloc[-1]
    print(f"finished: loss {last['loss']:.3f} nats per picture, {outcome.seconds:.0f} s")
    if chosen.checkpoint and chosen.task in (None, 0):
        print(f"the weights are in {chosen.checkpoint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
