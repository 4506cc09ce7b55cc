/**
 * What can be wrong with a configuration. The message for each code is `config.<code>` in
 * `locales/`.
 */

export const configProblemCodes = [
  'breach_check_outage_without_url',
  'breach_check_url_malformed',
  'breach_check_url_not_allowed',
  'geoip_database_unreadable',
  'data_folder_unwritable',
  'database_direct_url_without_url',
  'database_tls_unstated',
  'database_tls_unverified',
  'database_url_malformed',
  'database_url_missing',
  'database_url_ssl',
  'host_malformed',
  'host_not_loopback',
  'issuer_has_credentials',
  'issuer_has_fragment',
  'issuer_has_path',
  'issuer_has_query',
  'issuer_has_trailing_slash',
  'issuer_missing',
  'issuer_not_canonical',
  'issuer_not_https',
  'issuer_not_url',
  'jwks_cache_too_long',
  'key_announced_too_long',
  'mail_from_malformed',
  'master_key_file_exposed',
  'master_key_file_unreadable',
  'master_key_malformed',
  'master_key_missing',
  'master_key_previous_same',
  'master_key_previous_twice',
  'master_key_sample',
  'master_key_twice',
  'master_key_weak',
  'metrics_host_without_port',
  'metrics_port_taken',
  'not_a_choice',
  'not_a_flag',
  'not_a_whole_number',
  'redis_tls_missing',
  'redis_url_malformed',
  'outbound_allow_malformed',
  'signing_algorithm_unknown',
  'signing_algorithms_without_rs256',
  'smtp_url_malformed',
  'trust_proxy_everyone',
  'trust_proxy_malformed',
  'unknown_variable',
] as const
export type ConfigProblemCode = (typeof configProblemCodes)[number]

export type ConfigProblem = Readonly<{
  variable: string
  code: ConfigProblemCode
  /** For the placeholders of the message. Never a secret; always includes `variable`. */
  params: Readonly<Record<string, string | number>>
}>
