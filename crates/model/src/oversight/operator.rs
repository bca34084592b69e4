//! Who is watched over, and how it is spoken to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::OperatorCode;
use crate::noun::noun;
use crate::time::Timestamp;

/// An operator as the authority registered it, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub id: OperatorCode,
    pub name: String,
    /// Everything it asks is refused until this is taken back.
    #[serde(default)]
    pub suspended: bool,
    /// Its addresses may be plain http and in private networks.
    #[serde(default)]
    pub local: bool,
    /// By which its calls are signed, and ours to it.
    #[serde(default)]
    pub digest: Digest,
    /// Refusals come with the HTTP status 200, and say what they are in the body alone.
    #[serde(default)]
    pub always_200: bool,
    #[serde(default)]
    pub duplicates: Duplicates,
    /// What is deleted takes what is below it with it.
    #[serde(default)]
    pub cascade: bool,
    /// Deleting what is not there is an error.
    #[serde(default)]
    pub delete_missing_fails: bool,
    /// Values that no table has are refused instead of kept with a finding.
    #[serde(default)]
    pub strict: bool,
    /// Other names of fields that it sends, and what they mean.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub field_names: BTreeMap<String, String>,
    /// Where it wants to hear what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<Callback, Address>,
    /// The newest first; so many as are worth showing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address_changes: Vec<AddressChange>,
    #[serde(default)]
    pub registered: Timestamp,
}
noun!(Operator, "overseen-operator");

impl Operator {
    /// One that has reported nothing yet.
    #[must_use]
    pub fn new(id: OperatorCode, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            suspended: false,
            local: false,
            digest: Digest::default(),
            always_200: false,
            duplicates: Duplicates::default(),
            cascade: false,
            delete_missing_fails: false,
            strict: false,
            field_names: BTreeMap::new(),
            addresses: BTreeMap::new(),
            address_changes: Vec::new(),
            registered: Timestamp(0),
        }
    }
}

/// The hash below an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    #[default]
    Sha256,
    Sha512,
    /// For partners that know no other.
    Sha1,
}

/// What becomes of something that is registered again with other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    #[default]
    Refuse,
    Replace,
}

/// What an operator can have an address for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callback {
    /// A report of its that could not be used.
    ReportFailed,
    /// Asks for a sample of the past.
    PastSample,
    /// A warning about one of its ports.
    Risk,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub url: String,
    pub since: Timestamp,
}

/// An address was set, replaced or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressChange {
    pub callback: Callback,
    pub old: Option<String>,
    pub new: Option<String>,
    pub at: Timestamp,
    /// Who did: the operator itself from there, or somebody in the page.
    pub from: Option<IpAddr>,
    pub by: String,
}

impl Operator {
    /// Changes remembered of each operator.
    const CHANGES: usize = 50;

    /// Sets or takes away an address and notes it. Says whether it was another one.
    pub fn set_address(&mut self, change: AddressChange) -> bool {
        let old = self
            .addresses
            .get(&change.callback)
            .map(|address| address.url.clone());
        if old == change.new {
            return false;
        }
        match &change.new {
            Some(url) => {
                let address = Address {
                    url: url.clone(),
                    since: change.at,
                };
                self.addresses.insert(change.callback, address);
            }
            None => {
                self.addresses.remove(&change.callback);
            }
        }
        self.address_changes.insert(0, AddressChange { old, ..change });
        self.address_changes.truncate(Self::CHANGES);
        true
    }
}
