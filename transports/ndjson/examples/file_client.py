"""A Holdfast agent that can only write files: FileClient("SPOOL", "NAME").call("claims.list"), HOLDFAST_TOKEN if need be."""
import json, os, time, uuid

class FileClient:
    def __init__(self, spool, agent, token=os.environ.get("HOLDFAST_TOKEN")):  # a name of letters, digits, "_", "-", "."
        folder = os.path.join(spool, agent)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.requests, self.responses = (os.path.join(folder, f"{name}.ndjson") for name in ("requests", "responses"))
        if token:  # for a hub that asks for tokens: a file that only its owner may read, never a line of requests
            with open(os.open(os.path.join(folder, "token"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                out.write(token)

    def call(self, method, wait=30, **params):
        request = {"jsonrpc": "2.0", "id": str(uuid.uuid4()), "method": method, "params": params}
        with open(self.requests, "a") as out:  # the leading line break ends what a crash may have torn
            out.write("\n" + json.dumps(request) + "\n")
        end = time.time() + wait
        while time.time() < end:
            for line in open(self.responses) if os.path.exists(self.responses) else ():
                if line.endswith("\n") and request["id"] in line and json.loads(line).get("id") == request["id"]:
                    return json.loads(line)
            time.sleep(0.05)
        raise TimeoutError(method)
