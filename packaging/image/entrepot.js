#!/usr/bin/node
// `docker exec CONTAINER entrepot ls`: the image has no shell for bin/entrepot.
import '../lib/entrepot/dist/main.js'
