"""Segments the bank on the first of every month, for Apache Airflow 3.

Set the paths below, and put the file into the folder of DAGs. On the command line, once:

    airflow dags test hyades_monthly 2026-11-01
"""

import datetime
import json
import os
import subprocess

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

HYADES = os.environ.get("HYADES", "hyades")
JOB = os.environ.get("HYADES_JOB", "/srv/segments/job.toml")

NOTHING_NEW = 99
# An input that is not there yet, a machine that fails, an interruption: another attempt may succeed.
TRY_AGAIN = {8: "the input is not there yet", 4: "the machine failed, or another run was faster", 5: "interrupted"}
# Another attempt would end in the same way, so there is none.
PEOPLE = {
    2: "the job file or an option is wrong",
    3: "the input breaks an expectation, or has no rows",
    6: "a gate refused the version: hyades history show, then approve it or mend the input",
    7: "the version waits for approval: hyades history approve",
}


@dag(
    schedule="0 3 1 * *",
    start_date=datetime.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 24, "retry_delay": datetime.timedelta(hours=1)},
    tags=["segments"],
)
def hyades_monthly():
    @task
    def segment() -> dict:
        context = get_current_context()
        # The data of the month that has just ended.
        as_of = (context["logical_date"].date() - datetime.timedelta(days=1)).isoformat()
        command = [HYADES, "run", JOB, "--as-of", as_of, "--nothing-new", str(NOTHING_NEW)]
        if context["ti"].try_number > 1:
            # Goes on where an attempt that was killed stopped.
            command.append("--resume")
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        print(ran.stdout)
        if ran.returncode == NOTHING_NEW:
            raise AirflowSkipException("data, options and program are those of the published version")
        if ran.returncode in TRY_AGAIN:
            raise AirflowException(f"exit code {ran.returncode}: {TRY_AGAIN[ran.returncode]}")
        if ran.returncode != 0:
            why = PEOPLE.get(ran.returncode, "see the log")
            raise AirflowFailException(f"exit code {ran.returncode}: {why}")
        # The last line: version, hash, verdict and counts.
        return json.loads(ran.stdout.splitlines()[-1])

    @task
    def tell(found: dict):
        print(f"version {found['version']}: {found['customers']} customers, {found['moved']} moved")

    tell(segment())


hyades_monthly()
