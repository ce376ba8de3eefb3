"""The Littlest JupyterHub: copy to /opt/tljh/config/jupyterhub_config.d/ and run `sudo tljh-config reload hub`.

The limits are set through systemd. A learner's kernel reads its quota from the control group and takes as many threads.
"""

c = get_config()  # type: ignore[name-defined]  # noqa: F821

COURSE = "/opt/llm-labs"  # a checkout, set up there with `make setup`, readable by all

c.Spawner.cmd = [f"{COURSE}/deploy/jupyterhub/start.sh", "/opt/tljh/user/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab/tree/work"
c.Spawner.environment = {
    "LLM_LABS_MODELS": "/srv/llm-labs/models",
    "LLM_LABS_BIN": f"{COURSE}/.venv/bin",
    "JUPYTER_PATH": f"{COURSE}/.venv/share/jupyter",
}
c.SystemdSpawner.mem_limit = "4G"
c.SystemdSpawner.cpu_limit = 2.0
c.JupyterHub.concurrent_spawn_limit = 16
