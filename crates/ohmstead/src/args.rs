//! The command line.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};
use sim::fleet::Mischief;

/// One energy hub for EV charging and solar.
#[derive(Debug, Parser)]
#[command(name = "ohmstead", version, about, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    /// More in the log; twice for wire bytes. OHMSTEAD_LOG=room=level chooses per room
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a real site
    Serve {
        /// The configuration file; ohmstead.example.toml documents every key
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where everything is kept that must survive a restart; wins over the file
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Address and port; wins over the file
        #[arg(long, value_name = "IP:PORT")]
        listen: Option<SocketAddr>,
    },
    /// Run a simulated site over real protocols on loopback, to look around
    Demo {
        #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        #[arg(long, value_name = "DIR", default_value = "data/demo")]
        data: PathBuf,
        /// The same seed gives the same weather, habits and loads
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Run virtual devices alone, on real ports, so that anything can be pointed at them
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Sim {
        #[command(subcommand)]
        command: Option<SimCommand>,
        /// The devices; sim.example.toml is the demo's home
        #[arg(long, value_name = "FILE", required = true)]
        config: Option<PathBuf>,
        /// Keeps counters, charge and plugs over restarts
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
    /// Look after users while the program is stopped
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Write records and history into one file, also while the server runs
    Backup {
        /// Says where the data is
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Wins over the file
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The new file, for example backup.tar.gz
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Take in the key that opens sealed secrets; keep such a file as safe as the key itself
        #[arg(long)]
        with_key: bool,
    },
    /// Unpack a backup into a new data directory
    Restore {
        file: PathBuf,
        /// Must be empty, or not there
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Say what is wrong with this installation and what to do
    Doctor {
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Wins over the file
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// List the go-e chargers that announce themselves in the local network, or what is behind a gateway
    Discover {
        /// The configuration file that has the gateway
        #[arg(long, value_name = "FILE", requires = "gateway")]
        config: Option<PathBuf>,
        /// The id of a gateway: asks it for its devices, and prints them ready to be pasted into the file
        #[arg(long, value_name = "ID", requires = "config")]
        gateway: Option<String>,
        /// How long to listen
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
        seconds: u64,
    },
    /// Tell a data logger in the local network to connect to this machine, until it loses power
    Redirect {
        /// The logger; a broadcast address such as 192.168.1.255 finds one
        logger: Ipv4Addr,
        /// Where data loggers connect here, as the logger can reach it
        #[arg(long, value_name = "IP:PORT")]
        to: SocketAddrV4,
    },
    /// Certificates for clients whose host name cannot be changed
    Tls {
        #[command(subcommand)]
        command: TlsCommand,
    },
    /// Work on configuration files
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Run operators of charging stations that report to an authority's platform
    Fleet(Fleet),
}

/// Operators that do not exist, and what goes wrong there.
#[derive(Debug, Group)]
pub struct Fleet {
    /// The platform
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Who reports: a file with `[[operator]]` tables of id and secret, or the demo.json of a demo
    #[arg(long, value_name = "FILE")]
    pub operators: PathBuf,
    /// Stations of each operator
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=99_999))]
    pub stations: u32,
    /// Ports of each station
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=9_990))]
    pub ports: u32,
    /// Faster than 1: the last 23 hours pass that much faster, then it goes on as clocks do
    #[arg(long, value_name = "X", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1_000))]
    pub speed: i64,
    /// The same seed gives the same stations, vehicles and faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What goes wrong between operator and platform: none, some, many, or for example forged=5,lost=20 (in thousandths)
    #[arg(long, value_name = "FAULTS", default_value = "none")]
    pub faults: Mischief,
    /// Charges during which the hardware breaks down, in a million
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
    pub mishaps: i64,
}

#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Make a certificate authority of your own and a certificate for the clouds of vendors, and say what to do with them
    Init {
        /// Says where the data is and which names this machine has
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Wins over the file
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List the users
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Give a user a new password, and print it
    ResetPassword {
        /// The id of the user, for example admin
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the data is.
#[derive(Debug, Group)]
pub struct Place {
    /// Says where the data is; needed when it is in PostgreSQL
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Wins over the file; /var/lib/ohmstead when neither says it
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Report everything that is wrong with a file, and start nothing
    Check { file: PathBuf },
}
