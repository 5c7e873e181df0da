"""The schedulers of corten.optim under the Trainer, and that a resumed run goes on with them."""

import pytest

import corten
from corten import nn, train
from corten.train import Trainer
from tests.train.training import loader, network, noise, same_weights

pytest.importorskip("corten.optim.lr_scheduler")
from corten.optim import lr_scheduler  # noqa: E402

SCHEDULERS = {
    "step": (lambda o: lr_scheduler.StepLR(o, 2, 0.5), "epoch"),
    "lambda": (lambda o: lr_scheduler.LambdaLR(o, lambda k: 0.9**k), "step"),
    "one cycle": (lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=24), "step"),
    "cosine": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3), "step"),
    "plateau": (lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.9), "epoch"),
}


def make(kind, folder=None, stop=None):
    model = network(8, 8, 3)
    optimizer = corten.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    build, schedule = SCHEDULERS[kind]

    class Stop(train.Callback):
        def on_step(self, trainer):
            if trainer.steps == stop:
                raise KeyboardInterrupt

    callbacks = [Stop(), train.LearningRateMonitor(every_step=True)]
    if folder is not None:
        callbacks.append(train.Checkpoint(folder, every_steps=1))
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, build(optimizer), schedule=schedule, seed=0, callbacks=callbacks)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_rates_are_those_of_the_loop_by_hand_and_survive_a_resumption(kind, tmp_path):
    data = loader(noise())  # four steps an epoch
    whole = make(kind)
    run = whole.fit(data, data, epochs=6)
    by_hand = []
    optimizer = corten.optim.SGD(network(8, 8, 3).parameters(), lr=0.1, momentum=0.9)
    build, schedule = SCHEDULERS[kind]
    scheduler = build(optimizer)
    for epoch in range(6):
        for _ in range(4):
            by_hand.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if schedule == "step":
                scheduler.step()
        if schedule == "epoch":
            scheduler.step(*[run.history[epoch]["valid_loss"]] if kind == "plateau" else [])
    assert [rate for _, rate in whole.callbacks[0].rates] == by_hand and len(set(by_hand)) > 1
    with pytest.raises(KeyboardInterrupt):
        make(kind, tmp_path, stop=14).fit(data, data, epochs=6)
    resumed = make(kind, tmp_path)
    resumed.fit(loader(noise()), loader(noise()), epochs=6, resume=True)
    assert same_weights(resumed.model.state_dict(), whole.model.state_dict())
    assert resumed.callbacks[0].rates == whole.callbacks[0].rates
