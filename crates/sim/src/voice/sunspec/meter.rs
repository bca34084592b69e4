//! A meter: model 203.

use dialects::sunspec::{Image, ImageError, ModelInstance, map};

use super::Registers;
use crate::body::Body;

#[derive(Debug)]
pub(crate) struct MeterRegisters;

impl Registers for MeterRegisters {
    const MODEL_NAME: &'static str = "Simulated meter";

    fn models() -> Vec<ModelInstance> {
        vec![ModelInstance::new(203)]
    }

    fn refresh(&self, image: &mut Image, body: &dyn Body) -> Result<(), ImageError> {
        map::write_meter(image, 203, &body.measured())
    }
}
