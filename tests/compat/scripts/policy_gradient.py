"""REINFORCE and actor-critic on a cart with a pole, which is part of the script."""

import math
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class CartPole:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        self.state, self.steps = self.rng.uniform(-0.05, 0.05, 4), 0
        return self.state.astype("float32")

    def step(self, action):
        x, v, a, w = self.state
        force = 10.0 if action == 1 else -10.0
        temp = (force + 0.05 * w * w * math.sin(a)) / 1.1
        acc = (9.8 * math.sin(a) - math.cos(a) * temp) / (0.5 * (4 / 3 - 0.1 * math.cos(a) ** 2 / 1.1))
        xacc = temp - 0.05 * acc * math.cos(a) / 1.1
        self.state = np.array([x + 0.02 * v, v + 0.02 * xacc, a + 0.02 * w, w + 0.02 * acc])
        self.steps += 1
        done = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.209 or self.steps >= 60
        return self.state.astype("float32"), 1.0, bool(done)


SavedAction = namedtuple("SavedAction", ["log_prob", "value"])
eps = np.finfo(np.float32).eps.item()


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(4, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved_actions, self.rewards = [], []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def finish_episode(policy, optimizer, critic):
    R, returns = 0, deque()
    for r in policy.rewards[::-1]:
        R = r + 0.98 * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_losses, value_losses = [], []
    for (log_prob, value), R in zip(policy.saved_actions, returns):
        advantage = R - value.item() if critic else R
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum()
    if critic:
        loss = loss + torch.stack(value_losses).sum()
    loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_actions[:]


def run(critic):
    torch.manual_seed(543)
    env, policy = CartPole(1), Policy()
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)
    lengths = []
    for episode in range(90):
        state, done = env.reset(), False
        while not done:
            probs, value = policy(torch.from_numpy(state))
            m = Categorical(probs)
            action = m.sample()
            policy.saved_actions.append(SavedAction(m.log_prob(action), value))
            state, reward, done = env.step(action.item())
            policy.rewards.append(reward)
        lengths.append(env.steps)
        finish_episode(policy, optimizer, critic)
    return lengths


reinforce, actor_critic = run(False), run(True)
RESULT = {"better": any(float(np.mean(v[:20])) < float(np.mean(v[-20:])) for v in (reinforce, actor_critic))}
