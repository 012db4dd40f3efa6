//! A member of etcd that is none: it keeps keys as etcd does, and says whatever the test wants it to.
//! Plain gRPC, no TLS, no users, no leases.

mod grpc;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use tempfile::TempDir;
use tidegate::config::Etcd;
use tidegate::fleet::etcd::{
    Compare, Event, EventType, KeyValue, RangeRequest, RangeResponse, RequestOp, ResponseHeader,
    TxnRequest, TxnResponse, WatchResponse, compare, request_op,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

use grpc::{framed, serve};

/// What becomes of an answer before it is sent.
type Twist = Box<dyn FnMut(&RangeRequest, &mut RangeResponse) + Send>;

/// The member; it ends with the test.
pub struct Fake {
    pub place: TempDir,
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

struct State {
    cluster: u64,
    /// All changes; the first has revision 2, as in etcd.
    log: Vec<Event>,
    watchers: Vec<UnboundedSender<Bytes>>,
    watched: Vec<i64>,
    twist: Option<Twist>,
    /// Whether heartbeats are written.
    takes_writes: bool,
    written: usize,
}

impl Fake {
    pub fn start(cluster: u64) -> Self {
        tidegate::tls::install_provider();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            cluster,
            log: Vec::new(),
            watchers: Vec::new(),
            watched: Vec::new(),
            twist: None,
            takes_writes: true,
            written: 0,
        }));
        runtime.spawn(serve(listener, Arc::clone(&state)));
        Self {
            place: tempfile::tempdir().unwrap(),
            address,
            state,
            _runtime: runtime,
        }
    }

    /// How a gateway is configured that follows it.
    pub fn settings(&self) -> Etcd {
        Etcd {
            endpoints: vec![self.uri()],
            prefix: "/tidegate/".to_owned(),
            ca: None,
            certificate: None,
            user: None,
            cache: self.place.path().join("policies.sqlite"),
            max_age: None,
            gateway: "gateway-0".to_owned(),
        }
    }

    pub fn uri(&self) -> http::Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Puts a policy, tells those who watch, and returns its revision.
    pub fn put(&self, id: &str, text: &str) -> u64 {
        let mut state = self.state.lock().unwrap();
        let next = state.revision() + 1;
        let event = state.event(policy(id), text.as_bytes(), next);
        state.tell(vec![event]);
        state.revision().cast_unsigned()
    }

    /// The same, told to nobody.
    pub fn put_silently(&self, id: &str, text: &str) -> Event {
        let mut state = self.state.lock().unwrap();
        let next = state.revision() + 1;
        state.event(policy(id), text.as_bytes(), next)
    }

    /// From now on answers to reads are what this makes of them.
    pub fn twist(&self, twist: impl FnMut(&RangeRequest, &mut RangeResponse) + Send + 'static) {
        self.state.lock().unwrap().twist = Some(Box::new(twist));
    }

    /// From now on they are what they should be.
    pub fn untwist(&self) {
        self.state.lock().unwrap().twist = None;
    }

    /// Whether heartbeats and policies are taken.
    pub fn takes_writes(&self, takes: bool) {
        self.state.lock().unwrap().takes_writes = takes;
    }

    /// How many comparing writes it has carried out.
    pub fn written(&self) -> usize {
        self.state.lock().unwrap().written
    }

    pub fn revision(&self) -> i64 {
        self.state.lock().unwrap().revision()
    }

    /// How often it was watched.
    pub fn watches(&self) -> usize {
        self.state.lock().unwrap().watched.len()
    }

    /// Tells this to all who watch, whatever it is.
    pub fn say(&self, answer: &WatchResponse) {
        self.state.lock().unwrap().say(answer);
    }

    /// An answer of a watch, as etcd would tell these changes.
    pub fn answer(&self, events: Vec<Event>) -> WatchResponse {
        self.state.lock().unwrap().answer(events)
    }
}

fn policy(id: &str) -> Vec<u8> {
    format!("/tidegate/policies/{id}").into_bytes()
}

impl State {
    fn revision(&self) -> i64 {
        let last = self.log.last().and_then(|event| event.kv.as_ref());
        last.map_or(1, |kv| kv.mod_revision)
    }

    fn header(&self) -> Option<ResponseHeader> {
        Some(ResponseHeader {
            cluster_id: self.cluster,
            member_id: 1,
            revision: self.revision(),
            raft_term: 2,
        })
    }

    fn event(&mut self, key: Vec<u8>, value: &[u8], revision: i64) -> Event {
        let event = Event {
            r#type: EventType::Put.into(),
            kv: Some(KeyValue {
                key: key.into(),
                value: Bytes::copy_from_slice(value),
                mod_revision: revision,
                ..KeyValue::default()
            }),
        };
        self.log.push(event.clone());
        event
    }

    fn tell(&mut self, events: Vec<Event>) {
        let answer = self.answer(events);
        self.say(&answer);
    }

    fn answer(&self, events: Vec<Event>) -> WatchResponse {
        WatchResponse {
            header: self.header(),
            events,
            ..WatchResponse::default()
        }
    }

    fn say(&mut self, answer: &WatchResponse) {
        let bytes = framed(answer);
        self.watchers
            .retain(|watcher| watcher.send(bytes.clone()).is_ok());
    }

    /// What stood there at a revision.
    fn keys(&self, revision: i64) -> BTreeMap<Bytes, KeyValue> {
        let mut keys = BTreeMap::new();
        for event in &self.log {
            let kv = event.kv.clone().unwrap();
            if kv.mod_revision > revision {
                break;
            }
            keys.insert(kv.key.clone(), kv);
        }
        keys
    }

    fn range(&mut self, request: &RangeRequest) -> RangeResponse {
        let revision = match request.revision {
            0 => self.revision(),
            revision => revision,
        };
        let inside = |key: &Bytes| match &*request.range_end {
            [] => *key == request.key,
            end => *key >= request.key && &**key < end,
        };
        let keys = self.keys(revision).into_values();
        let mut kvs: Vec<_> = keys.filter(|kv| inside(&kv.key)).collect();
        let count = i64::try_from(kvs.len()).unwrap();
        let most = match (request.count_only, request.limit) {
            (true, _) => 0,
            (false, 0) => kvs.len(),
            (false, limit) => usize::try_from(limit).unwrap(),
        };
        kvs.truncate(most);
        let mut answer = RangeResponse {
            header: self.header(),
            more: !request.count_only && (kvs.len() as i64) < count,
            kvs,
            count,
        };
        if let Some(twist) = &mut self.twist {
            twist(request, &mut answer);
        }
        answer
    }

    fn txn(&mut self, request: &TxnRequest) -> TxnResponse {
        let keys = self.keys(self.revision());
        let holds = |compare: &Compare| {
            let there = keys.get(&compare.key).map_or(0, |kv| kv.mod_revision);
            compare.target_union == Some(compare::TargetUnion::ModRevision(there))
        };
        let succeeded = self.takes_writes && request.compare.iter().all(holds);
        if succeeded {
            let (mut events, next) = (Vec::new(), self.revision() + 1);
            for RequestOp { request } in &request.success {
                if let Some(request_op::Request::RequestPut(put)) = request {
                    events.push(self.event(put.key.to_vec(), &put.value, next));
                }
            }
            self.written += 1;
            let told = events.into_iter().filter(|event| {
                let kv = event.kv.as_ref().unwrap();
                kv.key.starts_with(b"/tidegate/policies/")
            });
            let told = told.collect();
            self.tell(told);
        }
        TxnResponse {
            header: self.header(),
            succeeded,
            responses: Vec::new(),
        }
    }
}
