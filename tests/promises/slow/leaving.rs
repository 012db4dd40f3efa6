//! Clients that leave, at each stage, many of them (case I12): nothing of them stays.

use tidegate_mock::Reply;
use tokio::task::JoinSet;

use crate::frame::{Figure, Scale};
use crate::harness::{COMMON, CONTOSO, World, until};

/// How far a client gets before it leaves.
#[derive(Clone, Copy)]
enum Stage {
    Accepted,
    HalfAHandshake,
    Connected,
    HalfAHead,
    HalfABody,
    Asked,
}

const STAGES: [Stage; 6] = [
    Stage::Accepted,
    Stage::HalfAHandshake,
    Stage::Connected,
    Stage::HalfAHead,
    Stage::HalfABody,
    Stage::Asked,
];

/// So many leave at once.
const ABREAST: usize = 64;

pub(super) async fn prove(scale: Scale, world: &World) -> Vec<Figure> {
    let many = scale.pick(300, 10_000);
    world.idp.script(COMMON, Reply::silent());
    let before = settled(world).await;
    let mut leaving = JoinSet::new();
    for index in 0..many {
        let client = Client::new(world, STAGES[index % STAGES.len()]);
        leaving.spawn(client.leave());
        if leaving.len() >= ABREAST {
            leaving.join_next().await.unwrap().unwrap();
        }
    }
    leaving.join_all().await;
    let after = settled(world).await;
    world.idp.clear_scripts();
    let fewer = after.0 <= before.0 + 4;
    vec![Figure::new(
        format!("{many} clients that leave: open files, tasks' connections"),
        format!("{} before, {} after; {}", before.0, after.0, after.1),
        "as many; 0",
        fewer && after.1 == 0,
    )]
}

/// The gateway's open files, and exchanges under way, once its connections are gone.
async fn settled(world: &World) -> (usize, usize) {
    let pid = world.gateway.pid();
    until("connections are gone", async || {
        let metrics = world.metrics().await;
        // Those of the harness's own clients may stay.
        let open = value(&metrics, "tidegate_connections ");
        let busy = value(&metrics, "tidegate_exchanges_in_flight ");
        (open <= 16 && busy == 0).then_some(())
    })
    .await;
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let metrics = world.metrics().await;
    (files, value(&metrics, "tidegate_exchanges_in_flight "))
}

fn value(metrics: &str, name: &str) -> usize {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|text| text.parse().ok()).expect(name)
}

/// A client that is about to leave.
struct Client {
    address: std::net::SocketAddr,
    tls: std::sync::Arc<rustls::ClientConfig>,
    request: String,
    stage: Stage,
}

impl Client {
    fn new(world: &World, stage: Stage) -> Self {
        let form = world.exchange(None, CONTOSO).form_text();
        let request = format!(
            "POST {COMMON} HTTP/1.1\r\nhost: {}\r\nx-ms-client-tenant-id: {CONTOSO}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            world.host(),
            form.len()
        );
        Self {
            address: world.gateway.data,
            tls: world.client_config(&[b"http/1.1"]),
            request,
            stage,
        }
    }

    async fn leave(self) {
        use tokio::io::AsyncWriteExt;
        let mut tcp = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let length = match self.stage {
            Stage::Accepted => return,
            Stage::HalfAHandshake => {
                // The start of a ClientHello.
                let _ = tcp
                    .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                    .await;
                return;
            }
            Stage::Connected => 0,
            Stage::HalfAHead => 40,
            Stage::HalfABody => self.request.len() - 20,
            Stage::Asked => self.request.len(),
        };
        let name = "localhost".try_into().unwrap();
        let connector = tokio_rustls::TlsConnector::from(self.tls);
        if let Ok(mut stream) = connector.connect(name, tcp).await {
            let _ = stream.write_all(&self.request.as_bytes()[..length]).await;
            let _ = stream.flush().await;
        }
    }
}
