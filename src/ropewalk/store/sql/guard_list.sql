SELECT body FROM guards ORDER BY name, kind
