//! What ten thousand data loggers cost: `logger_fleet links` with a count.
//!
//! Each has dialled us and is polled every 30 s, one storage inverter behind it; its reports go to a bus that nobody
//! listens to. The loggers are a process of their own (`logger_fleet dial`). Needs as many open files
//! (`ulimit -n`). Prints one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a figure that cannot be taken ends the run"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, InProcess};
use dialects::eybond::{Logger, SerialLine, rtu};
use dialects::modbus::{Exception, Registers, answer};
use model::device::{Device, DeviceKind, LinkSettings, LinkState};
use model::gateway::{Gateway, GatewayLink, PassOn, Unit};
use model::settings::LoggerSettings;
use model::site::{Keeper, Site};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::units::MilliVolts;
use serde_json::json;
use south::{Loggers, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

const POLL: Millis = Millis(30_000);
const MEASURED_S: u64 = 60;
/// Ports of one address are not enough.
const A_SOURCE: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments
        .get(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match (arguments.first().map(String::as_str), arguments.get(2)) {
        (Some("links"), None) => runtime.block_on(links(count)),
        (Some("dial"), Some(address)) => runtime.block_on(dial(count, address.parse().unwrap())),
        _ => println!("logger_fleet links [COUNT]"),
    }
}

struct RealClock(tokio::time::Instant);

impl Clock for RealClock {
    fn now(&self) -> Now {
        let ms = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Now {
            wall: Timestamp(1_800_000_000_000 + ms),
            monotonic: Monotonic(ms),
        }
    }
}

/// Kilobytes of this process, and the seconds of processor it has used.
fn cost() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12]
        .iter()
        .map(|at| fields[*at].parse::<f64>().unwrap())
        .sum();
    (kilobytes, ticks / 100.0)
}

fn number(at: usize) -> String {
    format!("E{at:013}")
}

fn gateway(at: usize) -> Gateway {
    Gateway {
        id: format!("logger-{at}").parse().unwrap(),
        name: number(at),
        link: GatewayLink::Logger {
            pn: Some(number(at)),
            pass_on: PassOn::Nothing,
        },
    }
}

fn device(at: usize) -> Device {
    Device {
        id: format!("inverter-{at}").parse().unwrap(),
        name: format!("Inverter {at}"),
        kind: DeviceKind::Inverter {
            rated_power: None,
            panels: Vec::new(),
        },
        circuit: "house".parse().unwrap(),
        enabled: true,
        period: POLL,
        link: LinkSettings::Via {
            gateway: gateway(at).id,
            unit: Unit::named("1/pv"),
            definition: Some("smg".to_owned()),
        },
    }
}

/// The other end, which ends with this.
struct Dialling(Child);

impl Drop for Dialling {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn links(count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bus: Arc<dyn Bus> = InProcess::new();
    let clock = Arc::new(RealClock(tokio::time::Instant::now()));
    let (before, _) = cost();
    let site = Site {
        id: "fleet".parse().unwrap(),
        name: "Fleet".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "UTC".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: Vec::new(),
        devices: (0..count).map(device).collect(),
    };
    let gateways: Vec<_> = (0..count).map(gateway).collect();
    let loggers = Loggers::new(&LoggerSettings::default(), Arc::default(), clock.clone());
    let stop = CancellationToken::new();
    tokio::spawn(loggers.clone().listen(listener, stop.clone()));
    let links =
        Supervisor::start_with_loggers(&[site], &gateways, loggers, Arc::clone(&bus), clock, stop.clone())
            .await;
    let program = std::env::current_exe().unwrap();
    let dialling = Command::new(program)
        .args(["dial", &count.to_string(), &address.to_string()])
        .spawn()
        .unwrap();
    let _dialling = Dialling(dialling);
    let online = || {
        let health = links.health();
        let devices = health.iter().flat_map(|health| &health.devices);
        devices.filter(|device| device.link == LinkState::Online).count()
    };
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if online() == count {
            break;
        }
    }
    // All have been asked what they are.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (_, began) = cost();
    tokio::time::sleep(Duration::from_secs(MEASURED_S)).await;
    let (rss, ended) = cost();
    let round = |figure: f64| (figure * 100.0).round() / 100.0;
    let figure = json!({
        "loggers": count,
        "online": online(),
        "kb_each": round((rss - before) / f64::from(u32::try_from(count).unwrap())),
        "cores": round((ended - began) / Duration::from_secs(MEASURED_S).as_secs_f64()),
    });
    println!("{figure}");
    stop.cancel();
    links.stop().await;
}

/// An inverter that always says the same.
struct Steady;

impl Registers for Steady {
    fn read_holding(&self, _: u16, count: u16) -> Result<Vec<u16>, Exception> {
        Ok(vec![100; count.into()])
    }

    fn write_holding(&mut self, _: u16, _: &[u16]) -> Result<(), Exception> {
        Err(Exception::IllegalFunction)
    }
}

impl SerialLine for Steady {
    fn exchange(&mut self, _: u8, bytes: &[u8]) -> Option<Vec<u8>> {
        let (unit, pdu) = rtu::decode_exactly(bytes)?;
        Some(rtu::encode(unit, &answer(pdu, self)))
    }
}

async fn dial(count: usize, address: SocketAddr) {
    let mut dialling = tokio::task::JoinSet::new();
    for at in 0..count {
        dialling.spawn(speak(at, address));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while dialling.join_next().await.is_some() {}
}

/// Dials again and again.
async fn speak(at: usize, address: SocketAddr) {
    let source = u8::try_from(1 + at / A_SOURCE % 200).unwrap();
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 1, source), 0));
    let mut logger = Logger::new(&number(at), 0x0925);
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(source).unwrap();
        if let Ok(mut stream) = socket.connect(address).await {
            logger.reconnect();
            let mut said = vec![logger.greet()];
            let mut chunk = [0; 256];
            loop {
                for bytes in &said {
                    if stream.write_all(bytes).await.is_err() {
                        break;
                    }
                }
                let Ok(count @ 1..) = stream.read(&mut chunk).await else {
                    break;
                };
                said = logger.handle_bytes(&chunk[..count], &mut Steady).unwrap();
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
