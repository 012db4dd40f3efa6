//! Screenshots, and what can be said of one whatever fonts the machine has.

use std::io::Cursor;

pub(crate) type Colour = [u8; 3];

/// A picture, row by row.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<Colour>,
}

/// Where the card begins and ends: its first and last pixel each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) top: usize,
    pub(crate) bottom: usize,
}

impl Picture {
    pub(crate) fn decode(png: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let samples = info.color_type.samples();
        assert!(samples >= 3, "{info:?}");
        Self {
            width: info.width as usize,
            height: info.height as usize,
            pixels: bytes[..info.buffer_size()]
                .chunks_exact(samples)
                .map(|pixel| [pixel[0], pixel[1], pixel[2]])
                .collect(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let size = |length: usize| u32::try_from(length).unwrap();
        let mut encoder = png::Encoder::new(&mut bytes, size(self.width), size(self.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(self.pixels.as_flattened()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> Colour {
        assert!(x < self.width && y < self.height);
        self.pixels[y * self.width + x]
    }

    /// The card on this ground, seen along the two lines through the picture's middle column and
    /// the card's own middle row.
    pub(crate) fn card(&self, ground: Colour) -> Card {
        let middle = self.width / 2;
        let column = |y: &usize| self.at(middle, *y) != ground;
        let top = (0..self.height).find(column).expect("a card");
        let bottom = (0..self.height).rfind(column).unwrap();
        let row = |x: &usize| self.at(*x, (top + bottom) / 2) != ground;
        Card {
            left: (0..self.width).find(row).unwrap(),
            right: (0..self.width).rfind(row).unwrap(),
            top,
            bottom,
        }
    }

    /// How much of the card's inside, in thousandths, is far from its colour: text.
    pub(crate) fn ink(&self, card: Card, inside: Colour) -> usize {
        let far = |colour: &Colour| {
            let apart = colour.iter().zip(inside).map(|(a, b)| a.abs_diff(b));
            apart.max().unwrap() > 96
        };
        // Without border and padding's outer half.
        let (columns, rows) = (card.left + 8..card.right - 8, card.top + 8..card.bottom - 8);
        let area = columns.len() * rows.len();
        let inked = rows
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .filter(|(x, y)| far(&self.at(*x, *y)))
            .count();
        inked * 1000 / area
    }

    /// Whether these columns show nothing but the ground, from top to bottom.
    pub(crate) fn is_bare(&self, columns: std::ops::Range<usize>, ground: Colour) -> bool {
        columns
            .into_iter()
            .all(|x| (0..self.height).all(|y| self.at(x, y) == ground))
    }
}
