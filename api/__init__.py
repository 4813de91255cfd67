"""REST in, REST out. Parses requests, calls one service or query, shapes answers; decides nothing."""
