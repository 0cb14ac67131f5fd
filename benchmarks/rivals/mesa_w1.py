"""Mesa: W1 as agents in steps of 0.1; each step uses the states at its beginning."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import mesa
import numpy as np
from measure import QUICK, seconds, tell
from works import END, FALL_HOME, RISE_HOME, UNITS, w1_combined

DT = 0.1
RISE, FALL = w1_combined()


class Unit(mesa.Agent):
    def __init__(self, model, number):
        super().__init__(model)
        self.number, self.state = number, 0

    def step(self):
        if self.state == 2:
            return
        weights, home, by = (RISE, RISE_HOME, 1) if self.state == 0 else (FALL, FALL_HOME, 2)
        hazard = home + weights[self.number] @ (self.model.before == by)
        if self.model.random.random() < -np.expm1(-hazard * DT):
            self.state += 1


class World(mesa.Model):
    def __init__(self, seed):
        super().__init__(seed=seed)
        Unit.create_agents(self, UNITS, np.arange(UNITS))

    def step(self):
        self.before = np.array([each.state for each in self.agents])
        self.agents.do("step")


def main():
    worlds = 10 if QUICK else 50
    events = []

    def run(seed):
        for number in range(worlds):
            world = World(1000 * seed + number)
            for _ in range(round(END / DT)):
                world.step()
            events.append(sum(each.state for each in world.agents))

    taken = seconds(run, 3)
    tell("W1", "worlds", worlds / taken, "worlds/s", events=float(np.mean(events)), note="steps of 0.1")


main()
