"""EoN: its two samplers of W1 (the same process), and fast_SIR and fast_SIS of W2. Generators are NumPy's."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import EoN
import networkx as nx
import numpy as np
from measure import QUICK, once, seconds, tell
from works import END, FALL_HOME, INFECTION, RECOVERY, RISE_HOME, UNITS, W2_END, w1_combined, w2_graph, w2_seeds


def w1(which):
    rise, fall = w1_combined()
    G = nx.DiGraph()
    for i in range(UNITS):
        for j in range(UNITS):
            if i != j:
                G.add_edge(j, i, rise=rise[i, j], fall=fall[i, j])
    worlds = (20 if QUICK else 100) if which == "fast" else (8 if QUICK else 40)
    if which == "fast":
        alone, induced = nx.DiGraph(), nx.DiGraph()
        alone.add_edge("old", "revolutionary", rate=RISE_HOME)
        alone.add_edge("revolutionary", "fallen", rate=FALL_HOME)
        induced.add_edge(("revolutionary", "old"), ("revolutionary", "revolutionary"), rate=1.0, weight_label="rise")
        induced.add_edge(("fallen", "revolutionary"), ("fallen", "fallen"), rate=1.0, weight_label="fall")
        states = ("old", "revolutionary", "fallen")

        def world(rng):
            start = dict.fromkeys(range(UNITS), "old")
            out = EoN.fast_simple_contagion(G, alone, induced, start, states, tmax=END, rng=rng)
            return UNITS - out[1][-1] + out[3][-1]
    else:
        def rate(G, node, status, parameters):
            if status[node] == "fallen":
                return 0.0
            home, key, by = (RISE_HOME, "rise", "revolutionary") if status[node] == "old" else (FALL_HOME, "fall", "fallen")
            return home + sum(G.edges[u, node][key] for u in G.predecessors(node) if status[u] == by)

        def choice(G, node, status, parameters):
            return "revolutionary" if status[node] == "old" else "fallen"

        def touched(G, node, status, parameters):
            return set(G.successors(node))

        def world(rng):
            start = dict.fromkeys(range(UNITS), "old")
            out = EoN.Gillespie_complex_contagion(
                G, rate, choice, touched, start, ("old", "revolutionary", "fallen"), tmax=END, parameters=(), rng=rng
            )
            return UNITS - out[1][-1] + out[3][-1]

    events = []

    def run(seed):
        rng = np.random.default_rng(seed)
        events.extend(world(rng) for _ in range(worlds))

    taken = seconds(run, 3)
    tell("W1", "worlds", worlds / taken, "worlds/s", events=float(np.mean(events)))


def w2(kind, units):
    def graph():
        source, target = w2_graph(units)
        G = nx.Graph()
        G.add_nodes_from(range(units))
        G.add_edges_from(zip(source.tolist(), target.tolist()))
        return G

    build, G = once(graph)
    infected = w2_seeds(units).tolist()
    fast = EoN.fast_SIR if kind == "SIR" else EoN.fast_SIS
    size = []

    def run(seed):
        out = fast(G, INFECTION[kind], RECOVERY, initial_infecteds=infected, tmax=W2_END[kind], rng=np.random.default_rng(seed))
        size.append(len(out[0]))

    taken = seconds(run, 3 if units <= 10_000 else 1)
    tell("W2", f"{kind} {units}", taken, "s", build=build, events=float(np.mean(size)))


if sys.argv[1] == "W1":
    w1(sys.argv[2])
else:
    w2(sys.argv[2], int(sys.argv[3]))
