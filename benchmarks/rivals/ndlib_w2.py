"""NDlib: W2, SIR in steps of 0.1."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import ndlib.models.epidemics as epidemics
import ndlib.models.ModelConfig as config
import networkx as nx
import numpy as np
from measure import once, seconds, tell
from works import INFECTION, RECOVERY, w2_graph, w2_seeds

DT = 0.1


def main(units):
    def graph():
        source, target = w2_graph(units)
        G = nx.Graph()
        G.add_nodes_from(range(units))
        G.add_edges_from(zip(source.tolist(), target.tolist()))
        return G

    build, G = once(graph)

    def run(seed):
        np.random.seed(seed)
        model = epidemics.SIRModel(G)
        chosen = config.Configuration()
        chosen.add_model_parameter("beta", -np.expm1(-INFECTION["SIR"] * DT))
        chosen.add_model_parameter("gamma", -np.expm1(-RECOVERY * DT))
        chosen.add_model_initial_configuration("Infected", w2_seeds(units).tolist())
        model.set_initial_status(chosen)
        for _ in range(int(30 / DT)):
            if model.iteration()["node_count"][1] == 0:
                break

    tell("W2", f"SIR {units}", seconds(run, 1), "s", build=build, note="steps of 0.1")


main(int(sys.argv[3]))
