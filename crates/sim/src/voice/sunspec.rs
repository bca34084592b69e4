//! SunSpec over Modbus TCP: registers of one body.

pub mod battery;
pub mod inverter;
pub mod meter;

use std::fmt::Debug;
use std::net::SocketAddr;

use dialects::modbus::answer;
use dialects::sunspec::{Image, ImageError, ModelInstance};
use dialects::{Reply, Request};
use model::id::DeviceId;
use model::setpoint::Action;
use model::time::Now;

use crate::body::{Body, Placed, Surroundings};
use crate::settings::{DeviceSettings, MODBUS_UNIT};
use crate::voice::{Voice, Way};

/// What a kind of device keeps in its registers.
pub(crate) trait Registers: Debug + Send {
    const MODEL_NAME: &'static str;

    /// Beside model 1, which says who it is.
    fn models() -> Vec<ModelInstance>;

    /// What does not change while it runs.
    fn describe(&self, image: &mut Image) -> Result<(), ImageError> {
        let _ = image;
        Ok(())
    }

    /// What is true now.
    fn refresh(&self, image: &mut Image, body: &dyn Body) -> Result<(), ImageError>;

    /// Somebody has written.
    fn obey(&mut self, image: &Image, body: &mut dyn Body) {
        let _ = (image, body);
    }

    fn lead(
        &mut self,
        image: &mut Image,
        body: &mut dyn Body,
        around: Surroundings,
    ) -> Result<(), ImageError> {
        let _ = (image, body, around);
        Ok(())
    }

    fn act(&mut self, image: &mut Image, body: &mut dyn Body, action: &Action) -> Result<(), ImageError> {
        let _ = (image, body, action);
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Sunspec<R> {
    id: DeviceId,
    listen: SocketAddr,
    image: Image,
    registers: R,
}

impl<R: Registers> Sunspec<R> {
    pub fn new(settings: &DeviceSettings, registers: R) -> Self {
        let id = &settings.id;
        let mut chain = vec![ModelInstance::new(1)];
        chain.extend(R::models());
        let mut image = Image::new(&chain).expect("only models are named that definitions/sunspec has");
        let texts = [
            ("Mn", "Ohmstead"),
            ("Md", R::MODEL_NAME),
            ("Vr", env!("CARGO_PKG_VERSION")),
            ("SN", id.as_str()),
        ];
        for (point, text) in texts {
            keep(id, image.set_text(1, point, text));
        }
        keep(id, registers.describe(&mut image));
        Self {
            id: id.clone(),
            listen: settings.address(),
            image,
            registers,
        }
    }
}

impl<R: Registers> Voice for Sunspec<R> {
    fn ways(&self) -> Vec<Way> {
        vec![Way::Modbus { listen: self.listen }]
    }

    fn lead(&mut self, bodies: &mut [Placed], around: Surroundings) {
        let Some(only) = bodies.first_mut() else { return };
        let led = self.registers.lead(&mut self.image, only.body.as_mut(), around);
        keep(&self.id, led);
    }

    fn act(&mut self, bodies: &mut [Placed], index: usize, action: &Action, _: Now) {
        let Some(meant) = bodies.get_mut(index) else {
            return;
        };
        let acted = self.registers.act(&mut self.image, meant.body.as_mut(), action);
        keep(&self.id, acted);
    }

    fn answer(&mut self, bodies: &mut [Placed], request: &Request, is_deaf: bool, _: Now) -> Option<Reply> {
        let Request::Modbus { unit, pdu } = request else {
            return None;
        };
        if *unit != MODBUS_UNIT {
            return None;
        }
        let body = bodies.first_mut()?.body.as_mut();
        keep(&self.id, self.registers.refresh(&mut self.image, body));
        if is_deaf {
            let pdu = answer(pdu, &mut self.image.clone());
            return Some(Reply::Modbus { pdu });
        }
        let pdu = answer(pdu, &mut self.image);
        if !self.image.take_writes().is_empty() {
            self.registers.obey(&self.image, body);
        }
        Some(Reply::Modbus { pdu })
    }
}

/// A value that does not fit its registers stays as it was; the log says so.
fn keep(id: &DeviceId, put: Result<(), ImageError>) {
    if let Err(error) = put {
        tracing::warn!(device.id = %id, "simulated registers keep their old value: {error}");
    }
}
