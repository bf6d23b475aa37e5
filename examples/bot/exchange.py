# SPDX-License-Identifier: Apache-2.0
"""A pretended exchange: prices that wander, and orders that are filled when the price comes by.

It speaks lines of JSON over TCP on a free loopback port. It lives inside the bot's process, so that
the example needs nothing else; the bot talks to it through real sockets all the same, because
connections are one of the things a watchdog looks at.
"""

import asyncio
import json
import random

HOST = "127.0.0.1"
PERIOD_S = 0.2
PRICES = {"BTC-USDT": 64000.0, "ETH-USDT": 3200.0, "SOL-USDT": 150.0}


def encode(**message):
    return json.dumps(message).encode() + b"\n"


class Exchange:
    def __init__(self):
        self.prices = dict(PRICES)
        self.clients = {}  # the connection of an account → its open orders by number
        self.port = None

    async def start(self):
        self.server = await asyncio.start_server(self.serve, HOST, 0)
        self.market = asyncio.ensure_future(self.move())
        self.port = self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            async for line in reader:
                message = json.loads(line)
                if message["op"] == "login":
                    self.clients[writer] = {}
                elif message["op"] == "order":
                    self.clients[writer][message["id"]] = message
                elif message["op"] == "cancel":
                    if self.clients[writer].pop(message["id"], None):
                        writer.write(encode(type="cancelled", id=message["id"]))
                elif message["op"] == "logout":
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the bot ends: both end the orders like a logout
        finally:
            self.clients.pop(writer, None)
            writer.close()

    async def move(self):
        """Let the prices wander for ever; fill what they touch, and tell everyone."""
        while True:
            await asyncio.sleep(PERIOD_S)
            for symbol in self.prices:
                self.prices[symbol] *= 1 + random.gauss(0, 0.0002)
            for writer, orders in list(self.clients.items()):
                for order in [order for order in orders.values() if self.touches(order)]:
                    del orders[order["id"]]
                    writer.write(encode(type="filled", id=order["id"]))
                writer.write(encode(type="prices", prices=self.prices))

    def touches(self, order):
        price = self.prices[order["symbol"]]
        return price <= order["price"] if order["side"] == "buy" else price >= order["price"]
