//! Rotel as a real collector (PyPI `rotel`): another reader of OTLP than the one that we write
//! with. `TIDEGATE_TEST_ROTEL` names its program, `rotel-agent`; without it the test says so and
//! passes, unless `rotel` is in `TIDEGATE_TEST_REQUIRE`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::harness::{CONTOSO, FABRIKAM, Lines, Policy, Setup, World, until};
use crate::otlp::metric;
use crate::python::tell;

const PROGRAM: &str = "TIDEGATE_TEST_ROTEL";

fn program() -> Option<PathBuf> {
    let program = std::env::var_os(PROGRAM).map(PathBuf::from);
    if program.is_none() {
        let required = std::env::var("TIDEGATE_TEST_REQUIRE")
            .is_ok_and(|words| words.split(',').any(|word| word == "rotel"));
        let problem = format!("{PROGRAM} does not name the program rotel-agent");
        assert!(!required, "{problem}");
        tell(&format!("skipped: {problem}"));
    }
    program
}

/// It prints what it takes, traces and logs. It must be told its ports: two that are free just now.
async fn start(program: PathBuf) -> (Child, Lines, String) {
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [http, grpc] = free.map(|socket| socket.local_addr().unwrap().to_string());
    let mut child = Command::new(program)
        .args(["start", "--exporter", "blackhole"])
        .args(["--debug-log", "traces", "--debug-log", "logs"])
        .args(["--debug-log-verbosity", "detailed"])
        .args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let printed = Lines::of(child.stdout.take().unwrap());
    until("rotel listens", async || {
        TcpStream::connect(&http).await.ok().map(drop)
    })
    .await;
    (child, printed, format!("http://{http}"))
}

#[tokio::test]
async fn a_real_collector_reads_what_is_exported() {
    let Some(program) = program() else { return };
    let (_rotel, printed, endpoint) = start(program).await;
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .set("traces.endpoint", format!("{endpoint}/v1/traces"))
        .set("audit.output", "stdout")
        .set("audit.otlp.endpoint", format!("{endpoint}/v1/logs"));
    let world = World::start(setup).await;
    let blocked = world.exchange(CONTOSO, FABRIKAM).send().await;
    blocked.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    until("taken", async || {
        let taken = metric(&world.metrics().await, "tidegate_spans_exported_total");
        (taken == 3).then_some(())
    })
    .await;
    until("taken", async || {
        let taken = metric(
            &world.metrics().await,
            "tidegate_log_records_exported_total",
        );
        (taken == 1).then_some(())
    })
    .await;
    let trace = blocked.record["trace_id"].as_str().unwrap();
    let id = blocked.record["decision_id"].as_str().unwrap();
    for (line, times) in [
        // Of three spans and a record.
        (&*format!("Trace ID       : {trace}"), 4),
        (&*format!("-> log.record.uid: Str({id})"), 1),
        (
            &*format!(",\"decision_id\":\"{id}\",\"route\":\"token-v2\","),
            1,
        ),
        ("Body: Str({\"time\":\"", 1),
        ("EventName: tidegate.decision", 1),
        ("SeverityText: WARN", 1),
        ("Name           : exchange token-v2", 1),
        ("Name           : upstream", 1),
        ("Name           : evaluate", 1),
        ("-> tidegate.reason: Str(outbound_block)", 3),
        ("-> service.name: Str(tidegate)", 2),
    ] {
        let printed = until(line, async || {
            (printed.count(line) >= times).then(|| printed.count(line))
        });
        assert_eq!(printed.await, times, "{line}");
    }
    world.finish().await;
}
