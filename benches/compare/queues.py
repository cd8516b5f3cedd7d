#!/usr/bin/env python3
"""Compares the speed of wsim's simulator with SimPy and Ciw on the same M/M/4 queue: customers for each CPU second.

    python3 -m venv /tmp/queues && /tmp/queues/bin/pip install simpy ciw
    cargo build --release
    /tmp/queues/bin/python benches/compare/queues.py target/release/wsim [CUSTOMERS]

4 servers, 80 % busy: 3.2 arrivals a second, service times of 1 s, both exponential. All programs simulate the same queue, and the mean time in the
system is printed with the exact value, so that a wrong simulation would show. A customer is two queue events (arrival and departure). wsim's
figure includes starting the program; `cargo bench --bench simulate` measures the engine alone.
"""

import json
import math
import os
import random
import resource
import subprocess
import sys
import time

RATE, SERVERS, SERVICE = 3.2, 4, 1.0


def exact() -> float:
    """Mean time in an M/M/c system (Erlang C)."""
    load = RATE * SERVICE
    terms = [load**k / math.factorial(k) for k in range(SERVERS)]
    last = load**SERVERS / math.factorial(SERVERS) / (1 - load / SERVERS)
    return SERVICE + last / (sum(terms) + last) / (SERVERS / SERVICE - RATE)


def with_simpy(customers: int) -> float:
    import simpy

    draw = random.Random(1)
    environment = simpy.Environment()
    servers = simpy.Resource(environment, capacity=SERVERS)
    total = 0.0

    def customer():
        nonlocal total
        arrived = environment.now
        with servers.request() as request:
            yield request
            yield environment.timeout(draw.expovariate(1 / SERVICE))
        total += environment.now - arrived

    def source():
        for _ in range(customers):
            yield environment.timeout(draw.expovariate(RATE))
            environment.process(customer())

    environment.process(source())
    environment.run()
    return total / customers


def with_ciw(customers: int) -> float:
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(RATE)],
        service_distributions=[ciw.dists.Exponential(1 / SERVICE)],
        number_of_servers=[SERVERS],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(customers)
    times = [r.exit_date - r.arrival_date for r in simulation.get_all_records()]
    return sum(times) / len(times)


def report(name: str, customers: int, seconds: float, mean: float) -> None:
    print(f"{name:8} {customers:>10,} customers {seconds:8.2f} CPU-s {customers / seconds:>12,.0f} customers per CPU-s   mean {mean:.3f} s")


def main() -> None:
    wsim = os.path.abspath(sys.argv[1])
    customers = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    print(f"M/M/{SERVERS} at {RATE * SERVICE / SERVERS:.0%}: exact mean time in system {exact():.3f} s")
    for name, run in (("SimPy", with_simpy), ("Ciw", with_ciw)):
        started = time.process_time()
        mean = run(customers)
        report(name, customers, time.process_time() - started, mean)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    spec = f"poisson rate={RATE} service=exp:{SERVICE:.0f}s servers={SERVERS}"
    output = subprocess.run([wsim, "simulate", "--synthetic", spec, "--json"], check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(output)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report("wsim", result["customers"], seconds, result["latency_ms"]["mean"]["value"] / 1000)


main()
