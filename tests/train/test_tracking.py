"""TensorBoard files read by TensorBoard's own reader; MLflow on a real server; trackers that fail."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
import warnings

import numpy as np
import pytest

import corten
from corten import nn, train
from corten.train import Trainer
from tests.train.training import loader, mnist, network, noise


def make(*callbacks, inputs=8, outputs=3):
    model = network(inputs, 8, outputs)
    return Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=0.1), callbacks=callbacks, seed=0)


# ---- TensorBoard


def read(folder):
    """What stock TensorBoard finds in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        found = module.EventAccumulator(str(folder), size_guidance={module.HISTOGRAMS: 0, module.SCALARS: 0, module.IMAGES: 0})
        found.Reload()
    return found


def test_tensorboard_reads_scalars_histograms_images_graph_and_embedding(tmp_path):
    pytest.importorskip("tensorboard")
    images, labels = mnist(200)
    board = train.TensorBoard(tmp_path, every_steps=5, histograms=True, example=images[:2])
    trainer = make(board, inputs=784, outputs=10)
    history = trainer.fit(loader((images, labels), 10), epochs=2).history
    board.add_image("digit", images[0].reshape(28, 28), 3)
    board.add_image("colour", np.arange(60, dtype=np.uint8).reshape(3, 4, 5), 3)
    board.add_embedding(images[:5], [f"class\t{c}" for c in labels[:5].tolist()], "pixels")
    board.close()
    found = read(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("epoch/loss")] == [(r["steps"], pytest.approx(r["loss"])) for r in history]
    assert [e.step for e in found.Scalars("loss/running")] == list(range(5, 45, 5))

    weights = trainer.model[0].weight.detach().numpy().astype(np.float64)
    histogram = found.Histograms("0.weight")[-1].histogram_value
    assert (histogram.num, histogram.min, histogram.max) == (weights.size, weights.min(), weights.max())
    assert histogram.sum == pytest.approx(weights.sum()) and sum(histogram.bucket) == weights.size

    from PIL import Image

    digit = found.Images("digit")[0]
    assert (digit.step, digit.width, digit.height) == (3, 28, 28)
    path = tmp_path / "digit.png"
    path.write_bytes(digit.encoded_image_string)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), (images[0].numpy().reshape(28, 28) * 255).round().astype(np.uint8))
    path.write_bytes(found.Images("colour")[0].encoded_image_string)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), np.arange(60).reshape(3, 4, 5).transpose(1, 2, 0))

    nodes = {n.name: n for n in found.Graph().node}
    assert {"input/0", "parameters/0/weight", "parameters/2/bias", "output/0"} <= set(nodes)
    assert all(edge in nodes for n in nodes.values() for edge in n.input)
    last = nodes[nodes["output/0"].input[0]]
    assert {"parameters/2/weight", "parameters/2/bias"} <= set(last.input)

    rows = (tmp_path / "pixels" / "tensors.tsv").read_text().splitlines()
    np.testing.assert_allclose([float(v) for v in rows[3].split("\t")], images[3].numpy(), rtol=1e-6)
    assert (tmp_path / "pixels" / "metadata.tsv").read_text().splitlines()[0] == f"class {labels[0].item()}"
    from google.protobuf import text_format

    config = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2")
    parsed = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), config.ProjectorConfig())
    assert (tmp_path / parsed.embeddings[0].tensor_path).exists() and (tmp_path / parsed.embeddings[0].metadata_path).exists()


def test_a_folder_that_cannot_be_written_warns_once_and_the_training_goes_on(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("in the way")
    board = train.TensorBoard(tmp_path / "file" / "run", histograms=True)
    with pytest.warns(train.TrainingWarning, match=r"\[TensorBoard\].*cannot be written.*the training goes on") as caught:
        run = make(board).fit(loader(noise()), epochs=3)
    assert len(caught) == 1 and len(run.history) == 3


# ---- MLflow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A tracking server on sqlite, on the loopback."""
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    if subprocess.run([sys.executable, "-c", "import mlflow.server, uvicorn, sqlalchemy"], capture_output=True).returncode:
        pytest.skip("only mlflow-skinny is installed, which has no server")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination",
               str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    environment = dict(os.environ, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                if process.poll() is not None:
                    pytest.fail(f"the server ended: {(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.1)
        else:
            pytest.fail("the server did not answer within two minutes")
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.wait(20)


@pytest.mark.slow  # the server takes up to a minute to start
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_mlflow_server_has_parameters_metrics_and_artifacts(server, tmp_path):
    from mlflow.tracking import MlflowClient

    note = tmp_path / "note.txt"
    note.write_text("kept")
    tracker = train.MLflow(server, "digits", name="first", params={"why": "to see"})
    tracker.add_artifact(note)
    trainer = make(train.Checkpoint(tmp_path / "run", monitor="loss"), tracker)
    history = trainer.fit(loader(noise()), epochs=3).history
    client = MlflowClient(server)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "first"
    assert client.get_experiment(run.info.experiment_id).name == "digits"
    expected = {"why": "to see", "model": "Sequential", "optimizer": "SGD", "optimizer/lr": "0.1", "batch_size": "16", "seed": "0"}
    assert expected.items() <= run.data.params.items()
    found = client.get_metric_history(tracker.run_id, "loss")
    assert [(m.step, m.value) for m in found] == [(r["steps"], pytest.approx(r["loss"], rel=1e-12)) for r in history]
    assert {a.path for a in client.list_artifacts(tracker.run_id)} == {"note.txt", "checkpoints"}
    kept = client.download_artifacts(tracker.run_id, "checkpoints/best.safetensors", str(tmp_path))
    assert train.read_checkpoint(kept)["history"] == train.read_checkpoint(tmp_path / "run" / "best.safetensors")["history"]
    resumed = make(train.Checkpoint(tmp_path / "run", monitor="loss"), train.MLflow(server, "digits"))
    resumed.fit(loader(noise()), epochs=4, resume=True)
    assert resumed.callbacks[-1].run_id == tracker.run_id
    assert [m.step for m in client.get_metric_history(tracker.run_id, "loss")] == [4, 8, 12, 16]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_server_that_cannot_be_reached_warns_once_and_the_training_goes_on():
    pytest.importorskip("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    with pytest.warns(train.TrainingWarning, match=r"\[MLflow\] http://127.0.0.1.*failed.*the training goes on") as caught:
        run = make(train.MLflow(f"http://127.0.0.1:{port}", patience=2)).fit(loader(noise()), epochs=3)
    assert len([w for w in caught if w.category is train.TrainingWarning]) == 1 and len(run.history) == 3
    assert time.monotonic() - started < 20
