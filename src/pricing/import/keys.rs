//! What the keys of the JSON list mean.

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The price of one of a unit.
    Price(&'static str),
    /// The prices of a search, by how much context it finds.
    Searches,
    /// Prices by the size of the request.
    Tiers,
    /// Surcharges by option, as factors of all token prices.
    Options,
    /// A surcharge for all token prices: the variant that pays it.
    Uplift(&'static str),
    /// Searches of several models are free up to a number.
    FreeSearches,
    /// It tells the largest input.
    Context,
    /// It tells the largest output.
    Output,
    /// It tells who provides the model.
    Provider,
    /// It tells what the model is for.
    Mode,
    /// No price depends on it.
    About,
    /// The dollar price stands beside it.
    Repeated,
    /// Nobody knows; a price may depend on it.
    Unknown,
}

/// A key, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key<'a> {
    /// The variant whose price it is.
    pub(super) variant: Option<&'static str>,
    /// For requests of more tokens than this.
    pub(super) above: Option<u64>,
    /// What is priced.
    pub(super) meaning: Meaning,
    /// What was left to be known by name.
    pub(super) name: &'a str,
}

const VARIANTS: [(&str, &str); 6] = [
    ("_batches", "batch"),
    ("_priority", "priority"),
    ("_flex", "flex"),
    ("_ultrafast", "ultrafast"),
    ("_balanced", "balanced"),
    ("_decisions", "decisions"),
];

/// Prices of one, by key. Units that the contract does not have are named after the key.
const PRICES: [(&str, &str); 50] = [
    ("input_cost_per_token", "input_tokens"),
    ("output_cost_per_token", "output_tokens"),
    ("cache_read_input_token_cost", "cache_read_tokens"),
    ("input_cost_per_token_cache_hit", "cache_read_tokens"),
    ("explicit_cache_read_input_token_cost", "cache_read_explicit_tokens"),
    ("cache_creation_input_token_cost", "cache_write_tokens"),
    ("cache_creation_input_token_cost_above_1hr", "cache_write_1h_tokens"),
    ("cache_creation_input_token_cost_above_12hr", "cache_write_12h_tokens"),
    ("output_cost_per_reasoning_token", "reasoning_tokens"),
    ("input_cost_per_audio_token", "audio_input_tokens"),
    ("output_cost_per_audio_token", "audio_output_tokens"),
    ("cache_read_input_audio_token_cost", "cache_read_audio_tokens"),
    ("cache_creation_input_audio_token_cost", "cache_write_audio_tokens"),
    ("input_cost_per_image_token", "image_input_tokens"),
    ("output_cost_per_image_token", "image_output_tokens"),
    ("cache_read_input_image_token_cost", "cache_read_image_tokens"),
    ("input_cost_per_video_token", "video_input_tokens"),
    ("output_cost_per_video_token", "video_output_tokens"),
    ("citation_cost_per_token", "citation_tokens"),
    ("input_cost_per_character", "characters"),
    ("output_cost_per_character", "output_characters"),
    ("input_cost_per_second", "seconds"),
    ("output_cost_per_second", "seconds"),
    ("cost_per_second", "seconds"),
    ("output_cost_per_second_480p", "seconds_480p"),
    ("output_cost_per_second_720p", "seconds_720p"),
    ("output_cost_per_second_768p", "seconds_768p"),
    ("output_cost_per_second_1080p", "seconds_1080p"),
    ("output_cost_per_second_2k", "seconds_2k"),
    ("output_cost_per_second_4k", "seconds_4k"),
    ("input_cost_per_video_per_second", "video_input_seconds"),
    ("output_cost_per_video_per_second", "video_output_seconds"),
    ("input_cost_per_audio_per_second", "audio_input_seconds"),
    ("input_cost_per_image", "input_images"),
    ("output_cost_per_image", "images"),
    ("output_cost_per_image_0.5K", "images_0.5k"),
    ("output_cost_per_image_1K", "images_1k"),
    ("output_cost_per_image_2K", "images_2k"),
    ("output_cost_per_image_4K", "images_4k"),
    ("output_cost_per_image_512", "images_512"),
    ("output_cost_per_image_1024", "images_1024"),
    ("output_cost_per_image_1536", "images_1536"),
    ("input_cost_per_pixel", "pixels"),
    ("output_cost_per_pixel", "pixels"),
    ("input_cost_per_query", "queries"),
    ("input_cost_per_request", "requests"),
    ("input_cost_per_text_message", "text_messages"),
    ("ocr_cost_per_page", "pages"),
    ("annotation_cost_per_page", "annotated_pages"),
    ("google_maps_grounding_cost_per_query", "maps_queries"),
];

const OTHERS: [(&str, Meaning); 14] = [
    ("ocr_cost_per_credit", Meaning::Price("credits")),
    ("code_interpreter_cost_per_session", Meaning::Price("code_interpreter_sessions")),
    ("search_context_cost_per_query", Meaning::Searches),
    ("tiered_pricing", Meaning::Tiers),
    ("provider_specific_entry", Meaning::Options),
    ("regional_endpoint_uplift_multiplier", Meaning::Uplift("regional")),
    ("regional_processing_uplift_multiplier_eu", Meaning::Uplift("eu")),
    ("regional_processing_uplift_multiplier_us", Meaning::Uplift("us")),
    ("search_free_requests", Meaning::FreeSearches),
    ("input_dbu_cost_per_token", Meaning::Repeated),
    ("output_dbu_cost_per_token", Meaning::Repeated),
    ("max_input_tokens", Meaning::Context),
    ("max_output_tokens", Meaning::Output),
    ("mode", Meaning::Mode),
];

/// Keys that tell about a model, not about its price.
const ABOUT: [&str; 29] = [
    "audio_transcription_config",
    "bedrock_converse_supports_strict_tools",
    "bedrock_output_config_effort_ceiling",
    "comment",
    "default_reasoning_effort",
    "deprecation_date",
    "gemini_audio_only_live",
    "gemini_native_audio",
    "max_tokens",
    "metadata",
    "output_vector_size",
    "prompt_cache_min_tokens",
    "reasoning_contexts",
    "reasoning_effort_levels",
    "reasoning_modes",
    "rpm",
    "source",
    "supported_audio_formats",
    "supported_endpoints",
    "supported_modalities",
    "supported_output_modalities",
    "supported_regions",
    "thinking_always_on",
    "token_count_framing",
    "token_count_model",
    "token_count_tokenizer",
    "tpm",
    "use_openai_responses_path",
    "web_search_billing_unit",
];

fn known(name: &str) -> Option<Meaning> {
    let price = PRICES.iter().find(|(key, _)| *key == name);
    let price = price.map(|(_, unit)| Meaning::Price(unit));
    let other = || OTHERS.iter().find(|(key, _)| *key == name).map(|(_, meaning)| *meaning);
    let about = || {
        let tells = name.starts_with("supports_") || ABOUT.contains(&name);
        let tells = tells || ["uses_embed_content", "vertex_ai_audio_api"].contains(&name);
        tells.then_some(Meaning::About)
    };
    let provider = || (name == "litellm_provider").then_some(Meaning::Provider);
    price.or_else(other).or_else(about).or_else(provider)
}

/// Takes `…_above_272k_tokens` off a key.
fn without_size(name: &str) -> (&str, Option<u64>) {
    let parts = name.strip_suffix("_tokens").and_then(|rest| rest.rsplit_once("_above_"));
    let sized = parts.and_then(|(name, size)| {
        let (digits, scale) = size.strip_suffix('k').map_or((size, 1), |digits| (digits, 1_000));
        let tokens = digits.parse::<u64>().ok().and_then(|digits| digits.checked_mul(scale))?;
        Some((name, Some(tokens)))
    });
    sized.unwrap_or((name, None))
}

/// Takes a key apart.
pub(super) fn key(text: &str) -> Key<'_> {
    if let Some(meaning) = known(text) {
        return Key { variant: None, above: None, meaning, name: text };
    }
    let variant = VARIANTS.iter().find(|(ending, _)| text.ends_with(ending));
    let (rest, variant) = match variant {
        Some((ending, name)) => (text.strip_suffix(ending).unwrap_or(text), Some(*name)),
        None => (text, None),
    };
    let (name, above) = without_size(rest);
    let meaning = known(name).filter(|meaning| matches!(meaning, Meaning::Price(_)));
    Key { variant, above, meaning: meaning.unwrap_or(Meaning::Unknown), name }
}

/// Whether a unit is of tokens on the output side.
pub(super) fn is_output_side(unit: &str) -> bool {
    matches!(unit, "output_tokens" | "reasoning_tokens" | "citation_tokens")
        || unit.ends_with("_output_tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart() {
        for (text, variant, above, meaning) in [
            ("input_cost_per_token", None, None, Meaning::Price("input_tokens")),
            ("input_cost_per_token_batches", Some("batch"), None, Meaning::Price("input_tokens")),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                None,
                Some(200_000),
                Meaning::Price("cache_write_1h_tokens"),
            ),
            (
                "output_cost_per_token_above_272k_tokens_priority",
                Some("priority"),
                Some(272_000),
                Meaning::Price("output_tokens"),
            ),
            ("supports_vision", None, None, Meaning::About),
            ("input_cost_per_video_per_second_above_8s_interval", None, None, Meaning::Unknown),
            ("off_peak_pricing", None, None, Meaning::Unknown),
            ("max_input_tokens_above_1k_tokens", None, Some(1_000), Meaning::Unknown),
        ] {
            let found = key(text);
            assert_eq!(
                (found.variant, found.above, found.meaning),
                (variant, above, meaning),
                "{text}"
            );
        }
    }
}
