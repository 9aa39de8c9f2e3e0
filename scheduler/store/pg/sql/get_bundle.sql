select encode(bytes, 'hex') from {schema}.bundle where hash = $1
