"""graph-tool (from Debian, for the system's Python): W2 in discrete steps, synchronous; attack rate told."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import numpy as np
from graph_tool import Graph, GraphView
from graph_tool.dynamics import SIRState, SISState
from measure import once, seconds, tell
from works import INFECTION, RECOVERY, W2_END, w2_graph, w2_seeds

DT = 0.1


def main(kind, units):
    def built():
        graph = Graph(directed=False)
        graph.add_vertex(units)
        graph.add_edge_list(np.stack(w2_graph(units), axis=1))
        return graph

    build, graph = once(built)
    rates = {"beta": float(-np.expm1(-INFECTION[kind] * DT)), ("gamma" if kind == "SIR" else "gamma"): float(-np.expm1(-RECOVERY * DT))}
    make = SIRState if kind == "SIR" else SISState
    share = []

    def run(seed):
        start = graph.new_vp("int32_t", val=0)
        start.a[w2_seeds(units)] = 1
        state = make(graph, s=start, constant_beta=True, **rates)
        state.iterate_sync(niter=int((30 if kind == "SIR" else W2_END[kind]) / DT))
        share.append(float((state.get_state().a > 0).mean()))

    taken = seconds(run, 3)
    tell("W2", f"{kind} {units}", taken, "s", build=build, note=f"steps of 0.1; {share[-1]:.3f} infected at the end")


main(sys.argv[2], int(sys.argv[3]))
