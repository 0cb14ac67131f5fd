"""fastgemf: W1, the three layers combined beforehand into one for each inducer (two inducers on one layer mix silently)."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import contextlib
import io
import warnings

warnings.simplefilter("ignore")
import fastgemf
import numpy as np
import scipy.sparse as sp
from measure import QUICK, once, seconds, tell
from works import END, FALL_HOME, RISE_HOME, UNITS, w1_combined


def main():
    rise, fall = w1_combined()
    schema = (
        fastgemf.ModelSchema("w1")
        .define_compartment(["old", "revolutionary", "fallen"])
        .add_network_layer("rise")
        .add_network_layer("fall")
        .add_node_transition("rises", from_state="old", to_state="revolutionary", rate="a")
        .add_node_transition("falls", from_state="revolutionary", to_state="fallen", rate="b")
        .add_edge_interaction("spread", from_state="old", to_state="revolutionary", inducer="revolutionary", network_layer="rise", rate="one")
        .add_edge_interaction("retreat", from_state="revolutionary", to_state="fallen", inducer="fallen", network_layer="fall", rate="one")
    )
    instance = fastgemf.ModelConfiguration(schema)
    instance.add_parameter(a=RISE_HOME, b=FALL_HOME, one=1.0)
    instance.get_networks(rise=sp.csr_matrix(rise.T), fall=sp.csr_matrix(fall.T))
    start = np.zeros(UNITS, dtype=int)
    events = []

    def world():
        simulation = fastgemf.Simulation(instance, initial_condition={"exact": start}, stop_condition={"time": END}, nsim=1)
        simulation.run()
        times = simulation.get_results()[0]
        events.append(int(np.sum(np.asarray(times).ravel() <= END)) - 1)

    worlds = 20 if QUICK else 100
    with contextlib.redirect_stdout(io.StringIO()):
        compiled, _ = once(world)
        events.clear()
        taken = seconds(lambda seed: [world() for _ in range(worlds)], 3)
    tell("W1", "worlds", worlds / taken, "worlds/s", compile=compiled, events=float(np.mean(events)))


main()
