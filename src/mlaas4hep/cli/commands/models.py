"""``models``: a client of the inference server, with the options of the original's client too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlaas4hep.cli.options import Json, Overwrite
from mlaas4hep.errors import ConfigError, FileReadError

if TYPE_CHECKING:
    from mlaas4hep.client import ModelClient

__all__ = ["register"]

GROUP = """
Examples:

  mlaas4hep models list --url http://localhost:8083

  mlaas4hep models upload higgs.tar.gz

The server is http://127.0.0.1:8083 unless --url or MLAAS4HEP_URL names another. A bearer token is taken from
BEARER_TOKEN, BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid> or bt_u<uid> in the temporary folder, an X.509 proxy from
X509_USER_PROXY.
"""


def _examples(*lines: str) -> str:
    return "\nExamples:\n" + "".join(f"\n  mlaas4hep models {line}\n" for line in lines)


Url = Annotated[str, typer.Option(envvar="MLAAS4HEP_URL", help="The server.")]
Version = Annotated[str, typer.Option(help="Number or label; default: the server's choice.")]
Name = Annotated[str, typer.Argument(help="Name of the model.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Send a token over plain HTTP.")]
DEFAULT_URL = "http://127.0.0.1:8083"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    models = typer.Typer(
        no_args_is_help=True, help="List, upload and use the models of an inference server.", epilog=GROUP
    )
    app.add_typer(models, name="models")
    _reading(models)
    _managing(models)
    _original(models)


def _reading(app: typer.Typer) -> None:
    @app.command("list", epilog=_examples("list --url https://models.example.org:8083", "list --json"))
    def list_models(
        url: Url = DEFAULT_URL,
        as_json: Json = False,
        insecure: Insecure = False,
    ) -> None:
        """List models, versions and states."""
        with _client(url, insecure) as client:
            found = client.models()
        if as_json:
            _print(found)
            return
        for model in found:
            for version in model["versions"]:
                labels = ", ".join(version.get("labels", ()))
                state = " ".join(filter(None, (version["state"], version.get("reason", ""))))
                typer.echo(f"{model['name']:30} {version['version']:>4}  {state:10} {labels}".rstrip())

    @app.command(epilog=_examples("describe higgs", "describe higgs --version stable"))
    def describe(model: Name, url: Url = DEFAULT_URL, version: Version = "", insecure: Insecure = False) -> None:
        """Print what a model takes and gives, as JSON."""
        with _client(url, insecure) as client:
            _print(client.metadata(model, version))

    @app.command(
        epilog=_examples("predict higgs --events events.json", "predict higgs --events events.json --version canary")
    )
    def predict(
        model: Name,
        events: Annotated[Path, typer.Option(help="JSON file: a list of events, or one object of columns.")],
        url: Url = DEFAULT_URL,
        version: Version = "",
        insecure: Insecure = False,
    ) -> None:
        """Print the scores of the events in a JSON file."""
        with _client(url, insecure) as client:
            _print(client.predict(_read(events), model, version).tolist())

    @app.command(epilog=_examples("download higgs -o higgs.tar.gz", "download higgs --version 2 -o higgs-2.tar.gz"))
    def download(
        model: Name,
        output: Annotated[Path, typer.Option("--output", "-o", help="Name ending in .tar.gz.")],
        url: Url = DEFAULT_URL,
        version: Version = "",
        overwrite: Overwrite = False,
        insecure: Insecure = False,
    ) -> None:
        """Fetch a version as a tar.gz."""
        from mlaas4hep.cli.outputs import Output, check_outputs

        check_outputs([Output("--output", output, "archive")], [], overwrite=overwrite)
        with _client(url, insecure) as client:
            typer.echo(str(client.download(model, output, version)))


def _managing(app: typer.Typer) -> None:
    @app.command(epilog=_examples("upload higgs.tar.gz", "upload network.onnx --name network"))
    def upload(
        file: Annotated[Path, typer.Argument(help="A bundle as tar.gz, or a model of another framework.")],
        url: Url = DEFAULT_URL,
        name: Annotated[
            str | None, typer.Option(help="Name to serve it under; default: the one in the bundle, or of the file.")
        ] = None,
        version: Annotated[str, typer.Option(help="Its number; default: the next one.")] = "",
        insecure: Insecure = False,
    ) -> None:
        """Add a version."""
        with _client(url, insecure) as client:
            _print(client.upload(file, name, version))

    @app.command(epilog=_examples("delete higgs", "delete higgs --version 1"))
    def delete(model: Name, url: Url = DEFAULT_URL, version: Version = "", insecure: Insecure = False) -> None:
        """Remove a model, or one version of it."""
        with _client(url, insecure) as client:
            client.delete(model, version)

    @app.command(epilog=_examples("load higgs", "load higgs --version 1"))
    def load(model: Name, url: Url = DEFAULT_URL, version: Version = "", insecure: Insecure = False) -> None:
        """Bring a model into memory."""
        with _client(url, insecure) as client:
            _print(client.load(model, version))

    @app.command(epilog=_examples("unload higgs", "unload higgs --version 1"))
    def unload(model: Name, url: Url = DEFAULT_URL, version: Version = "", insecure: Insecure = False) -> None:
        """Take a model out of memory."""
        with _client(url, insecure) as client:
            client.unload(model, version)

    @app.command(
        epilog=_examples(
            "configure higgs --batching-size 256 --batching-delay-ms 1", "configure higgs --no-batching --canary 10"
        )
    )
    def configure(
        model: Name,
        batching_size: Annotated[
            int | None, typer.Option(help="Maximum number of rows of several callers that are run together.")
        ] = None,
        batching_delay_ms: Annotated[float | None, typer.Option(help="Milliseconds a row may wait for others.")] = None,
        no_batching: Annotated[bool, typer.Option("--no-batching", help="Run every request on its own.")] = False,
        canary: Annotated[
            float | None, typer.Option(help="Per cent of the requests for the version labelled canary.")
        ] = None,
        url: Url = DEFAULT_URL,
        insecure: Insecure = False,
    ) -> None:
        """Change the batching and the canary share of a model; the answer is what holds then."""
        batching = {"max_size": batching_size, "max_delay_ms": batching_delay_ms}
        given = {key: value for key, value in batching.items() if value is not None}
        if no_batching and given:
            raise ConfigError("--no-batching cannot be combined with settings of batching")
        changes: dict[str, Any] = {"batching": given or None} if given or no_batching else {}
        if canary is not None:
            changes["canary"] = canary
        if not changes:
            raise ConfigError(
                "nothing to do", hint="give --batching-size, --batching-delay-ms, --no-batching or --canary"
            )
        with _client(url, insecure) as client:
            _print(client.configure(model, changes))

    @app.command(epilog=_examples("label higgs stable 2", "label higgs stable"))
    def label(
        model: Name,
        label: Annotated[str, typer.Argument(help="E.g. stable or canary.")],
        version: Annotated[str | None, typer.Argument(help="The version; none removes the label.")] = None,
        url: Url = DEFAULT_URL,
        insecure: Insecure = False,
    ) -> None:
        """Point a label to a version."""
        with _client(url, insecure) as client:
            client.label(model, label, version)


def _original(app: typer.Typer) -> None:
    @app.command(
        epilog=_examples(
            "tfaas --url http://localhost:8083 --models",
            "tfaas --bundle=model.tar.gz",
            "tfaas --predict=input.json",
            "tfaas --image=file.png --model=mnist",
        )
    )
    def tfaas(
        url: Url = DEFAULT_URL,
        upload: Annotated[Path | None, typer.Option(help="upload.json with name, params, model, labels.")] = None,
        bundle: Annotated[Path | None, typer.Option(help="model.tar.gz.")] = None,
        models: Annotated[bool, typer.Option("--models", help="List the models.")] = False,
        delete: Annotated[str | None, typer.Option(help="Remove this model.")] = None,
        predict: Annotated[Path | None, typer.Option(help="input.json with keys, values, model.")] = None,
        image: Annotated[Path | None, typer.Option(help="A png or jpg file; needs --model.")] = None,
        model: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
        key: Annotated[
            Path | None, typer.Option("--key", "--ckey", help="Private key of --cert, if it is not in the same file.")
        ] = None,
        cert: Annotated[
            Path | None,
            typer.Option(help="Client certificate or proxy for https; default: the X.509 proxy."),
        ] = None,
        capath: Annotated[
            Path | None,
            typer.Option(help="Certificate authorities for the server, a folder or a file; default: X509_CERT_DIR."),
        ] = None,
        verbose: Annotated[bool, typer.Option("--verbose", help="Print which server is asked.")] = False,
        insecure: Insecure = False,
    ) -> None:
        """The options of the original's tfaas_client.py."""
        from mlaas4hep.client import ModelClient
        from mlaas4hep.client.credentials import tls_context
        from mlaas4hep.errors import without_credentials

        if key is not None and cert is None:
            raise ConfigError("--key needs --cert, the certificate that it belongs to")
        named = any((key, cert, capath))
        if named and not url.lower().startswith("https:"):
            raise ConfigError("--key, --cert and --capath are for https", where=url, hint="give an https URL")
        if verbose:
            typer.echo(f"server: {without_credentials(url)}", err=True)
        tls = tls_context(cert, key, capath) if named else None
        with ModelClient(url, insecure=insecure, tls=tls) as client:
            if upload is not None:
                _print(client.upload_parts(_object(upload, "name, params, model, labels"), upload.parent))
            elif bundle is not None:
                _print(client.upload(bundle, model))
            elif models:
                _print(client.params())
            elif delete is not None:
                client.delete(delete)
            elif predict is not None:
                data = _object(predict, "keys, values, model")
                keys, values = data.get("keys"), data.get("values")
                if not isinstance(keys, list) or not isinstance(values, list):
                    raise ConfigError("needs two lists, keys and values", where=str(predict))
                _print(client.predict_row(keys, values, model or data.get("model")))
            elif image is not None and model:
                _print(client.predict_image(image, model))
            else:
                raise ConfigError(
                    "nothing to do",
                    hint="give --models, --upload, --bundle, --delete, --predict, or --image with --model",
                )


def _client(url: str, insecure: bool) -> ModelClient:
    from mlaas4hep.client import ModelClient

    return ModelClient(url, insecure=insecure)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileReadError("no such file", where=str(path)) from None
    except OSError as error:
        raise FileReadError(f"cannot be read ({error.strerror})", where=str(path)) from error
    except ValueError as error:
        raise ConfigError(f"not valid JSON ({error})", where=str(path)) from error


def _object(path: Path, holds: str) -> dict[str, Any]:
    data = _read(path)
    if not isinstance(data, dict):
        raise ConfigError(f"is not a JSON object with {holds}", where=str(path))
    return data


def _print(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))
